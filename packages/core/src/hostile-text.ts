/**
 * Whether text from outside can stop a process: a pattern whose time grows with the square of its text takes
 * seconds for one request. For tests.
 *
 * @module
 */

/** Each four times as long as the one before: work whose time grows with the square of its text takes sixteen times as long. */
const STEPS = [4, 16, 64].map((kib) => kib * 1024)
const MOST_GROWTH = 8
/**
 * So many times as long as reading each character once is linear, whatever the growth: of short times the noise is
 * large. A square is some thousand times as long at 16 KiB.
 */
const MOST_READINGS = 500
const ROUNDS = { least: 3, most: 15 }
const ENOUGH_MS = 2_000

/**
 * Whether the time of `work` grows with the length of its text, up to 64 KiB, and no faster. Times are
 * compared with each other and with a plain reading of the text, and the shortest of some rounds counts,
 * so that it says the same on a slow or busy machine.
 */
export function growsLinearly(
  work: (text: string) => unknown,
  textOf: (length: number) => string,
): boolean {
  return STEPS.slice(1).every((length, step) => {
    const [small, large] = [textOf(STEPS[step] as number), textOf(length)]
    let [short, long, reading] = [Infinity, Infinity, Infinity]
    const began = performance.now()
    const isOver = () => performance.now() - began > ENOUGH_MS
    for (let round = 1; round <= ROUNDS.least || (round <= ROUNDS.most && !isOver()); round += 1) {
      short = Math.min(
        short,
        millisecondsOf(() => work(small)),
      )
      long = Math.min(
        long,
        millisecondsOf(() => work(large)),
      )
      reading = Math.min(
        reading,
        millisecondsOf(() => readingOf(large)),
      )
      const isLinear = long <= Math.max(MOST_GROWTH * short, MOST_READINGS * reading)
      if (isLinear && round >= ROUNDS.least) return true
    }
    return false
  })
}

function millisecondsOf(work: () => unknown): number {
  const start = performance.now()
  work()
  return performance.now() - start
}

function readingOf(text: string): number {
  let sum = 0
  for (let at = 0; at < text.length; at += 1) sum += text.charCodeAt(at)
  return sum
}

/**
 * Makers of texts of a length on which patterns take long: runs of one letter, of what separates, of
 * beginnings of what is looked for, and near misses.
 */
export const HOSTILE_TEXTS: readonly (readonly [
  name: string,
  textOf: (length: number) => string,
])[] = [
  ...[
    ...['a', 'A', '0', '_', '-', '.', ' ', '\t', '\n', '\r\n', ',', ';', ':', '/', '\\', '='],
    ...['&', '?', '#', '@', '%', '+', '*', '(', '[', '{', '<', '"', "'", '\0', '\u00e9', '\ud83d'],
    ...['a.', 'a-', 'a_', 'a ', 'a,', 'a=', 'a@', 'a:', 'a/', 'a%40', '%40', '%00', '%2e', '../'],
    ...[
      '//',
      '/.',
      '::',
      ':ffff:',
      '1.',
      '1,',
      ' ,',
      '; ',
      ';;',
      'a=b;',
      'a=b&',
      '[]',
      '[a]',
      '{"a":',
    ],
    ...['<a', '<!--', '&#x27;', 'eyJ', 'eyJ-', 'eyJa.', '.eyJ', 'Bearer ', 'Basic ', 'sk_live_'],
    ...[
      're_',
      'whsec_',
      '://',
      '://a:',
      'a://a:',
      '?token=',
      '&code=',
      'token',
      'secret-',
      'password=',
    ],
    ...[
      't=1,',
      'v1=',
      'sub_a',
      '"sub_',
      '"pi_a',
      'prod_',
      'x@',
      '@x.',
      'a@b.',
      '1=a/b,',
      '::1,',
      'for=',
    ],
  ].map((unit) => [JSON.stringify(unit), repeated('', unit, '')] as const),
  ...[
    ['a@', 'a.', '!'],
    ['eyJ', 'a', '!'],
    ['Bearer ', ' ', '!'],
    ['https://', 'a', ' '],
    ['https://a:', 'b', ' '],
    ['?', 'token', ' '],
    ['"', '\\"', ' '],
    ['a', ' ', 'b'],
    ['a=', ' ', ';'],
    ['a', '/', 'b'],
    ['/', '/', '\n'],
    ['1', '0', 'x'],
    ['-', 'a-', '!'],
    ['<', ' ', '<'],
    ['t=', '1', 'x'],
  ].map(
    ([before = '', unit = '', after = '']) =>
      [JSON.stringify(`${before}(${unit})*${after}`), repeated(before, unit, after)] as const,
  ),
]

function repeated(before: string, unit: string, after: string): (length: number) => string {
  return (length) => {
    const inner = length - before.length - after.length
    return before + unit.repeat(Math.ceil(inner / unit.length)).slice(0, inner) + after
  }
}
