// nomad.js FILE: prints a job of HCL 2 as JSON.
const fs = require('fs');
const [job, errors] = require('hcl2-parser').parseToObject(fs.readFileSync(process.argv[2], 'utf8'));
if (!job) throw new Error(JSON.stringify(errors));
console.log(JSON.stringify(job));
