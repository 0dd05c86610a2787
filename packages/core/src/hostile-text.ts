/**
 * For tests: whether text from outside can stall a process. A pattern whose time grows with the square of the
 * text's length takes seconds for one request.
 *
 * @module
 */

/** Each step is four times as long as the one before. Quadratic work takes sixteen times as long at each step. */
const STEPS = [4, 16, 64].map((kib) => kib * 1024)
const MOST_GROWTH = 8
/**
 * Work that takes at most this many times as long as reading each character once counts as linear, whatever
 * its growth, because short times are noisy. At 16 KiB quadratic work takes some thousand times as long.
 */
const MOST_READINGS = 500
const ROUNDS = { least: 3, most: 15 }
const ENOUGH_MS = 2_000

/**
 * Whether the time of `work` grows no faster than the length of its text, up to 64 KiB. Times are compared
 * with each other and with a plain reading of the text, and the shortest of several rounds counts, so the
 * result is the same on a slow or busy machine.
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
 * Makers of texts that are slow for bad patterns: runs of one letter or separator, repeated beginnings of
 * what a pattern looks for, and near misses. Each maker takes the length of the text.
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
