# Bundles, by the program, the library's service and its synchronous calls.
set -eu
mkdir /tmp/work
cd /tmp/work
printf 'export const square = (n: number): number => n ** 2;\nenum Colour { Red, Green }\nexport { Colour };\n' >math.ts
printf 'import { square, Colour } from "./math";\nconsole.log(square(7), Colour[1]);\n' >main.ts
node /node_modules/esbuild/bin/esbuild main.ts --bundle --outfile=out.js --log-level=error
node out.js
node /node_modules/esbuild/bin/esbuild main.ts --bundle --minify
echo 'let x: number = ;' >wrong.ts
node /node_modules/esbuild/bin/esbuild wrong.ts --log-level=error 2>/dev/null || echo "exit $?"
cat >use.js <<'JS'
const esbuild = require('/node_modules/esbuild');
console.log(esbuild.transformSync('let a: string = "x" as any', { loader: 'ts' }).code);
esbuild.build({ entryPoints: ['main.ts'], bundle: true, write: false, format: 'esm' }).then(async (r) => {
  console.log(r.outputFiles[0].text);
  console.log((await esbuild.transform('a ?? b', { target: 'es2019' })).code);
  await esbuild.build({ entryPoints: ['wrong.ts'], logLevel: 'silent' }).catch((e) => console.log(e.errors[0].text));
  await esbuild.stop();
});
JS
node use.js
