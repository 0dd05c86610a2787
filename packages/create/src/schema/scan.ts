/**
 * Where the blocks of a Prisma schema are in its text, so that a part of the text can change and the rest, with its
 * comments, stays byte for byte. What a block means is asked of Prisma itself; see `prisma.ts`.
 *
 * @module
 */

/** A block of a schema: `model User { … }`. */
export interface Block {
  /** `model`, `enum`, `type`, `view`, `generator` or `datasource`. */
  kind: string
  name: string
  /** Where its comments begin that are written with `///`, or where its keyword is. */
  start: number
  /** Where the line of its keyword begins. */
  line: number
  /** The offset after the opening brace. */
  open: number
  /** The offset of the closing brace. */
  close: number
}

/** A comment, a string, a brace, or the beginning of a block. */
const TOKENS =
  /\/\/.*|\/\*[\s\S]*?(?:\*\/|(?![\s\S]))|"(?:[^"\\\n]|\\.)*"?|[{}]|^[ \t]*(model|enum|type|view|generator|datasource)[ \t]+(\w+)[ \t]*\{/gm

/** The blocks of a text with the line ends of Unix. Braces in strings and comments do not count. */
export function blocksIn(text: string): Block[] {
  const blocks: Block[] = []
  let open: Omit<Block, 'close'> | null = null
  let depth = 0
  for (const { 0: token, 1: kind, 2: name = '', index } of text.matchAll(TOKENS)) {
    if (kind && depth === 0) {
      open = {
        kind,
        name,
        start: startOfComments(text, index),
        line: index,
        open: index + token.length,
      }
    }
    if (kind || token === '{') depth += 1
    if (token !== '}' || depth === 0) continue
    depth -= 1
    if (depth === 0 && open) blocks.push({ ...open, close: index })
  }
  return blocks
}

function startOfComments(text: string, line: number): number {
  let start = line
  while (start > 0) {
    const above = text.lastIndexOf('\n', start - 2) + 1
    if (!text.slice(above, start).trim().startsWith('///')) break
    start = above
  }
  return start
}

/** The block with this name, of a kind that makes a table. Undefined: the text has none. */
export const modelIn = (text: string, name: string): Block | undefined =>
  blocksIn(text).find((block) => block.name === name && block.kind === 'model')

/** The text without some blocks and their comments. */
export function withoutBlocks(text: string, isLeft: (block: Block) => boolean): string {
  let rest = text
  for (const { start, close } of blocksIn(text).filter(isLeft).reverse()) {
    const end = rest.indexOf('\n', close)
    rest = rest.slice(0, start) + (end < 0 ? '' : rest.slice(end + 1).replace(/^\n/, ''))
  }
  return rest
}

/** A line of a model with a field, and the comments above it. */
export interface FieldLines {
  name: string
  /** The index of the first of its lines. */
  from: number
  /** The index after the last of its lines. */
  to: number
}

/** The fields of a model, by the lines of its body. What a comment of several lines holds is no field. */
export function fieldsIn(lines: readonly string[]): FieldLines[] {
  const fields: FieldLines[] = []
  let from = 0
  let isComment = false
  /** The field in whose line the comment began. */
  let before: FieldLines | undefined
  for (const [n, line] of lines.entries()) {
    const text = line.trim()
    const wasComment = isComment
    isComment = endsInComment(text, wasComment)
    if (!wasComment && text.startsWith('///')) continue
    const name = wasComment ? undefined : /^([A-Za-z]\w*)\s/.exec(text)?.[1]
    if (name) fields.push({ name, from, to: n + 1 })
    if (!wasComment) before = name ? fields.at(-1) : undefined
    else if (before) before.to = n + 1
    from = n + 1
  }
  return fields
}

/** A comment of one line, a string, and where a comment of several lines begins or ends. */
const MARKS = /\/\/.*|"(?:[^"\\]|\\.)*"?|\/\*|\*\//g

/** Whether a line ends within a comment of several lines. */
function endsInComment(line: string, isComment: boolean): boolean {
  if (isComment) {
    const end = line.indexOf('*/')
    return end < 0 || endsInComment(line.slice(end + 2), false)
  }
  for (const { 0: mark, index } of line.matchAll(MARKS)) {
    if (mark === '/*') return endsInComment(line.slice(index + 2), true)
  }
  return false
}

/** A field's lines with one space between words, as Prisma's formatter may have aligned them. */
export const plainField = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.trim().replaceAll(/\s+/g, ' '))
    .join('\n')
