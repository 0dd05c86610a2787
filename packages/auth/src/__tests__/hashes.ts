import { Worker } from 'node:worker_threads'
import { vi } from 'vitest'
import { bcryptPool } from '../sign-in/bcrypt-pool.ts'
import { NO_CALLER, type Turn } from '../sign-in/turns.ts'

/** The hashes of the process's pool: those that were asked for, and those that a thread was given, in order. */
export interface Hashes {
  asked: { turn: Turn; text: string }[]
  /** The texts, which differ where the passwords do. */
  begun: string[]
  /** Puts all that was asked for into the queue, in its order. Nothing is hashed before. */
  start(): void
}

/** Holds the hashes of the process's pool back from now on, and watches them. */
export function holdHashes(): Hashes {
  const pool = bcryptPool()
  const { hash } = pool
  const asked: Hashes['asked'] = []
  const begun: string[] = []
  let start = () => {}
  const started = new Promise<void>((resolve) => {
    start = resolve
  })
  vi.spyOn(pool, 'hash').mockImplementation(async (text, rounds, turn = NO_CALLER) => {
    asked.push({ turn, text })
    await started
    return hash(text, rounds, turn)
  })
  const { postMessage } = Worker.prototype
  vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (
    this: Worker,
    task: { text: string },
  ) {
    begun.push(task.text)
    postMessage.call(this, task)
  })
  return { asked, begun, start }
}
