/**
 * A state file that is always whole: a write goes to a neighbour first and takes the file's place
 * by a rename, so a crash leaves the old state or the new one, never half of either.
 *
 * @module
 */

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SandboxError } from './errors.ts'

export interface StateFile {
  /** The parsed file; undefined where there is none. @throws `state_file_unreadable` */
  read(): Promise<unknown>
  /** Writes soon; many calls close together become one write. */
  changed(): void
  /** Writes what `changed` still owes, and waits for it. */
  flush(): Promise<void>
}

/** Milliseconds in which changes gather before they are written. */
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
    // One write after the other: two at once could rename in the wrong order.
    writing = writing.then(async () => {
      const neighbour = `${path}.${process.pid}.tmp`
      await mkdir(dirname(path), { recursive: true })
      // The state holds webhook secrets, so nobody else on the machine may read it.
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
          // The next change tries again; the chain must not stay broken until then.
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
    `The sandbox's state file ${path} is not readable; delete it to begin anew.`,
    { cause },
  )
