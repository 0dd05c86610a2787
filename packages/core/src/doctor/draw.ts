/**
 * Draws the findings of the doctor: by area, each in its line, with what to do below it. On a terminal with colours,
 * wrapped to its width, and the running check is shown.
 *
 * @module
 */

import type { DoctorReport, DoctorWatcher, Finding } from './report.ts'

const MARKS = { ok: '✓', failed: '✗', skipped: '–' } as const
const COLOURS = { ok: 32, failed: 31, skipped: 90 } as const

const NAME_WIDTH = 18
const INDENT = ' '.repeat(4 + NAME_WIDTH + 1)

/** Where to draw. */
export interface DrawOptions {
  /** Only progress is drawn: standard output belongs to the document. */
  isJson: boolean
  out?: NodeJS.WriteStream
  err?: NodeJS.WriteStream
}

/** Starts a drawing. `ended` draws the summary. */
export function createDrawing({
  isJson,
  out = process.stdout,
  err = process.stderr,
}: DrawOptions): DoctorWatcher & { ended(report: DoctorReport): void } {
  const hasColours = Boolean(out.isTTY) && !process.env.NO_COLOR
  const paint = (code: number, text: string) => (hasColours ? `\x1b[${code}m${text}\x1b[0m` : text)
  const width = Math.max(60, Math.min(out.columns ?? 100, 120))
  let area = ''
  const clear = () => void (err.isTTY && err.write('\r\x1b[K'))
  const write = (text: string) => {
    clear()
    if (!isJson) out.write(text)
  }
  return {
    begun({ config, actsOn }) {
      write(`${paint(1, config ?? 'No configuration')}\n`)
      for (const each of actsOn) write(`  on ${each}\n`)
    },
    started(id, done, total) {
      if (err.isTTY) err.write(`\r\x1b[K${paint(90, `${done + 1}/${total} ${id} …`)}`)
    },
    found(finding) {
      const [name = '', ...rest] = finding.id.split('.')
      if (name !== area) write(`\n${paint(1, name)}\n`)
      area = name
      write(linesOf(finding, rest.join('.')))
    },
    ended({ counts, isOk, checks }) {
      const seconds = (checks.reduce((sum, { ms }) => sum + ms, 0) / 1000).toFixed(1)
      const { ok, failed, skipped } = counts
      const summary = `${ok} in order, ${failed} failed, ${skipped} skipped, in ${seconds} s`
      write(`\n${paint(isOk ? 32 : 31, summary)}\n`)
      if (isJson) err.write(`${summary}\n`)
    },
  }

  function linesOf({ state, says, advice }: Finding, name: string): string {
    const head = `  ${paint(COLOURS[state], MARKS[state])} ${name.padEnd(NAME_WIDTH)} `
    const [first = '', ...more] = wrap(says, width - INDENT.length)
    const lines = [head + first, ...more.map((line) => INDENT + line)]
    if (advice !== null) {
      const [begin = '', ...after] = wrap(advice, width - INDENT.length - 2)
      lines.push(
        `${INDENT}${paint(36, '→')} ${begin}`,
        ...after.map((line) => `${INDENT}  ${line}`),
      )
    }
    return `${lines.join('\n')}\n`
  }
}

/** Breaks a text at spaces. A word that is longer than the width stays whole. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
