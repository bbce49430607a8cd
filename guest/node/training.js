// Run in every new VM before its first request, and the VM is reset: the pages
// that usual programs write are then private to it and mapped already.
const { inspect } = require('util');

class Point {
  constructor(x, y) {
    this.x = x;
    this.y = y;
  }
}

const points = Array.from({ length: 100 }, (_, i) => new Point(i, Math.random()));
console.log(JSON.stringify(points).length, inspect(points[0]), [1, 2, 3].map((x) => x * 2), new Map([[1, 2]]));
console.error('one-1 two-2'.replace(/(\w+)-(\d+)/g, '$2'), Buffer.from('x').toString('hex'));
setTimeout(() => {}, 1);
Promise.resolve().then(async () => {
  await null;
  throw new Error('as programs do');
});
