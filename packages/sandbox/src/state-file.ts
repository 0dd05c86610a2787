/**
 * A state file that is always complete. A write goes to a second file, which then replaces the first by a
 * rename. So a crash leaves the old state or the new one, and never half of either.
 *
 * @module
 */

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SandboxError } from './errors.ts'

/** A file with the state of the stand-ins. */
export interface StateFile {
  /** The parsed file; undefined if it does not exist. @throws `state_file_unreadable` */
  read(): Promise<unknown>
  /** Writes soon; several calls in short time become one write. */
  changed(): void
  /** Writes pending changes and waits for the write. */
  flush(): Promise<void>
}

/** Milliseconds during which changes are collected before a write. */
const GATHER_MS = 200

export function createStateFile(
  path: string,
  state: () => unknown,
  onError: (error: unknown) => void,
): StateFile {
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  const write = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    // Writes run one after the other: two at once could rename in the wrong order.
    writing = writing.then(async () => {
      const neighbour = `${path}.${process.pid}.tmp`
      await mkdir(dirname(path), { recursive: true })
      // The state contains webhook secrets, so only this user of the machine may read it.
      await writeFile(neighbour, JSON.stringify(state()), { mode: 0o600 })
      await rename(neighbour, path)
    })
    return writing
  }

  return {
    async read() {
      let text: string
      try {
        text = await readFile(path, 'utf8')
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
        throw unreadable(path, error)
      }
      try {
        return JSON.parse(text)
      } catch (error) {
        throw unreadable(path, error)
      }
    },
    changed() {
      timer ??= setTimeout(() => {
        write().catch((error: unknown) => {
          // The next change tries again, so the chain must not stay rejected.
          writing = Promise.resolve()
          onError(error)
        })
      }, GATHER_MS)
    },
    async flush() {
      if (timer !== undefined) await write()
      await writing
    },
  }
}

const unreadable = (path: string, cause: unknown): SandboxError =>
  new SandboxError(
    'state_file_unreadable',
    500,
    `The sandbox's state file ${path} cannot be read. Delete it to start with an empty state.`,
    { cause },
  )
