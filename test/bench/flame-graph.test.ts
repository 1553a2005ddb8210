import t from 'tap';
import { drawFlameGraph, foldProfile } from '../../bench/harness/flame-graph.js';

const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 9 });
const profile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 3, 4] },
    { id: 2, callFrame: frame('(idle)') },
    { id: 3, callFrame: frame('answer', 'file:///app/dist/src/nouns/a.js'), children: [5] },
    { id: 4, callFrame: frame('(garbage collector)') },
    { id: 5, callFrame: frame('parse<T>', 'file:///app/node_modules/x/index.js') },
  ],
  samples: [2, 3, 5, 4, 5],
  timeDeltas: [1_000_000, 1000, 2000, 1000, 4000],
};

t.test('a profile is folded to the time of each call with what it called, without the idle time', async (t) => {
  const root = foldProfile(profile);
  t.equal(root.micros, 8000);
  t.match(root.children, [
    { name: '(garbage collector)', micros: 1000, children: [] },
    { name: 'answer', place: 'dist/src/nouns/a.js:10', micros: 7000, children: [{ name: 'parse<T>', micros: 6000 }] },
  ]);
});

t.test('a flame graph shows each call as wide as its share', async (t) => {
  const svg = drawFlameGraph(foldProfile(profile));
  t.match(
    svg,
    /<title>parse&lt;T&gt; node_modules\/x\/index.js:10 75\.0 %, 6 ms<\/title><rect x="200\.0" y="-34" width="1199\.5"/,
  );
  t.notMatch(svg, 'idle');
});
