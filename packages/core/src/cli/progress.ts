/**
 * A progress bar on standard error. On a terminal it is redrawn; elsewhere a new line is written at most every five
 * seconds.
 *
 * @module
 */

const WIDTH = 24
const EVERY_MS = 100
const EVERY_MS_IN_A_FILE = 5_000

/** A progress bar. */
export interface Progress {
  /** Shows that `done` of `total` are done. `total` absent: the total is not known. */
  show(done: number, total?: number): void
  /** Ends the bar's line. */
  end(): void
}

/** A progress bar for `what`, such as `payments`. */
export function createProgress(what: string, out: NodeJS.WriteStream = process.stderr): Progress {
  const began = Date.now()
  let last = 0
  let isDrawn = false
  return {
    show(done, total) {
      const isOver = done === total
      if (!isOver && Date.now() - last < (out.isTTY ? EVERY_MS : EVERY_MS_IN_A_FILE)) return
      last = Date.now()
      const rate = Math.round(done / Math.max(0.001, (last - began) / 1000))
      const text = `${bar(done, total)}${done}${total ? `/${total}` : ''} ${what}, ${rate}/s`
      out.write(out.isTTY ? `\r\x1b[K${text}` : `${text}\n`)
      isDrawn = true
    },
    end() {
      if (isDrawn && out.isTTY) out.write('\n')
    },
  }
}

function bar(done: number, total: number | undefined): string {
  if (!total) return ''
  const full = Math.round((WIDTH * Math.min(done, total)) / total)
  return `${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} `
}
