import { vi } from 'vitest'
import { bcryptPool } from '../bcrypt-pool.ts'
import { NO_CALLER, type Turn } from '../turns.ts'

/** The callers that the process's pool was asked to hash for, and those it has finished, in order. */
export interface Hashes {
  asked: Turn[]
  done: Turn[]
  /** Puts all that was asked for into the queue, in its order. Nothing is hashed before. */
  start(): void
}

/** Holds the hashes of the process's pool back from now on, and watches them. */
export function holdHashes(): Hashes {
  const pool = bcryptPool()
  const { hash } = pool
  const asked: Turn[] = []
  const done: Turn[] = []
  let start = () => {}
  const started = new Promise<void>((resolve) => {
    start = resolve
  })
  vi.spyOn(pool, 'hash').mockImplementation(async (text, rounds, turn = NO_CALLER) => {
    asked.push(turn)
    await started
    try {
      return await hash(text, rounds, turn)
    } finally {
      done.push(turn)
    }
  })
  return { asked, done, start }
}
