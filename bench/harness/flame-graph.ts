import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What is read of a `.cpuprofile` (https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile). */
export interface CpuProfile {
  nodes: readonly {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
    children?: readonly number[];
  }[];
  samples: readonly number[];
  /** Microseconds before each sample. */
  timeDeltas: readonly number[];
}

interface Frame {
  name: string;
  place: string;
  micros: number;
  children: Frame[];
}

const [WIDTH, ROW] = [1600, 17];
/** Narrower ones cannot be seen. */
const LEAST_WIDTH = 0.5;
const LETTER = 6.6;
const COLOURS = { service: '#f2a65a', library: '#8ab6d6', runtime: '#c5c9cf', collector: '#d98282' } as const;

/** The tree of calls with the time of each and of what it called; the time in which nothing was to do is left out. */
export function foldProfile({ nodes, samples, timeDeltas }: CpuProfile): Frame {
  const own = new Map<number, number>();
  for (const [index, id] of samples.entries()) own.set(id, (own.get(id) ?? 0) + (timeDeltas[index] ?? 0));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const fold = (id: number): Frame => {
    const node = byId.get(id);
    const { functionName = '', url = '', lineNumber = 0 } = node?.callFrame ?? {};
    const children = (node?.children ?? [])
      .map(fold)
      .filter(({ name, micros }) => micros > 0 && name !== '(idle)')
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return {
      name: functionName || '(anonymous)',
      place: url === '' ? '' : `${url.replace(/^file:\/\/.*\/(?=(dist|node_modules)\/)/, '')}:${lineNumber + 1}`,
      micros: children.reduce((sum, child) => sum + child.micros, own.get(id) ?? 0),
      children,
    };
  };
  const root = nodes[0];
  if (!root) throw new Error('the profile is empty');
  return fold(root.id);
}

function colourOf({ name, place }: Frame): string {
  if (name === '(garbage collector)') return COLOURS.collector;
  if (place.includes('node_modules/')) return COLOURS.library;
  return place.includes('dist/src/') ? COLOURS.service : COLOURS.runtime;
}

const escapeXml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** One SVG file that any browser shows: the wider, the more time; the callers below; what it is under the pointer. */
export function drawFlameGraph(root: Frame): string {
  const boxes: string[] = [];
  let depth = 0;
  const draw = (frame: Frame, x: number, level: number): void => {
    const width = (frame.micros / root.micros) * WIDTH;
    if (width < LEAST_WIDTH) return;
    depth = Math.max(depth, level);
    const share = `${((100 * frame.micros) / root.micros).toFixed(1)} %, ${(frame.micros / 1000).toFixed(0)} ms`;
    const letters = Math.floor((width - 4) / LETTER);
    const label = letters < 3 ? '' : frame.name.length > letters ? `${frame.name.slice(0, letters - 1)}…` : frame.name;
    boxes.push(
      `<g><title>${escapeXml(`${frame.name} ${frame.place} ${share}`)}</title>` +
        `<rect x="${x.toFixed(1)}" y="${-level * ROW}" width="${Math.max(0.3, width - 0.5).toFixed(1)}" height="${ROW - 1}" fill="${colourOf(frame)}"/>` +
        (label && `<text x="${(x + 2).toFixed(1)}" y="${-level * ROW + 12}">${escapeXml(label)}</text>`) +
        '</g>',
    );
    let at = x;
    for (const child of frame.children) {
      draw(child, at, level + 1);
      at += (child.micros / root.micros) * WIDTH;
    }
  };
  draw(root, 0, 0);
  const height = (depth + 1) * ROW;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 ${ROW - height} ${WIDTH} ${height}">`,
    '<style>text { font: 11px monospace; pointer-events: none } g:hover rect { stroke: #000 }</style>',
    ...boxes,
    '</svg>\n',
  ].join('\n');
}

/** Draws each profile of a directory that has no drawing yet. @returns the files made */
export async function drawProfiles(directory: string): Promise<string[]> {
  const there = new Set(await readdir(directory).catch(() => []));
  const made: string[] = [];
  for (const name of there) {
    const drawing = name.replace(/\.cpuprofile$/, '.svg');
    if (drawing === name || there.has(drawing)) continue;
    const profile = JSON.parse(await readFile(join(directory, name), 'utf8')) as CpuProfile;
    await writeFile(join(directory, drawing), drawFlameGraph(foldProfile(profile)));
    made.push(join(directory, drawing));
  }
  return made;
}
