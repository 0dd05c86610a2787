import { vi } from 'vitest'
import { bcryptPool } from '../bcrypt-pool.ts'
import { NO_CALLER, type Turn } from '../turns.ts'

/** For whom the process's pool is asked for hashes from now on, and for whom it is done, in order. */
export function observeHashes(): { asked: Turn[]; done: Turn[] } {
  const pool = bcryptPool()
  const { hash } = pool
  const asked: Turn[] = []
  const done: Turn[] = []
  vi.spyOn(pool, 'hash').mockImplementation(async (text, rounds, turn = NO_CALLER) => {
    asked.push(turn)
    try {
      return await hash(text, rounds, turn)
    } finally {
      done.push(turn)
    }
  })
  return { asked, done }
}
