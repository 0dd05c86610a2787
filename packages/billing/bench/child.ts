/**
 * A process of our own. It is over when this one is, however this one ends.
 *
 * @module
 */

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Child<Ready> {
  /** What it said when it was ready. */
  ready: Ready
  stop(): Promise<void>
}

/** Starts `file` with `settings` and waits until it is ready. @throws when it ends before. */
export function startChild<Ready>(file: string, settings: object): Promise<Child<Ready>> {
  const path = fileURLToPath(new URL(file, import.meta.url))
  // Its standard output would land in the report.
  const child = fork(path, [JSON.stringify(settings)], { stdio: ['ignore', 2, 2, 'ipc'] })
  const ended = new Promise<void>((done) => child.once('exit', () => done()))
  const stop = async () => {
    if (child.connected) child.disconnect()
    await ended
  }
  return new Promise((done, fail) => {
    child.once('message', (ready) => done({ ready: ready as Ready, stop }))
    child.once('error', fail)
    child.once('exit', (code) => fail(new Error(`${file} ended (${code}).`)))
  })
}

/** In the child: its settings. */
export const settingsOf = <Settings>(): Settings => JSON.parse(process.argv[2] ?? '{}') as Settings

/** In the child: says `ready`, and calls `stop` when the parent lets go. */
export function serve(ready: object, stop: () => Promise<void>): void {
  // Ctrl-C reaches the whole group; the parent decides in which order things end.
  process.on('SIGINT', () => {})
  process.once('disconnect', () => {
    void stop().finally(() => process.exit())
  })
  process.send?.(ready)
}
