/**
 * Calls functions of another process over the channel that `fork` opens.
 *
 * @module
 */

/** Functions that one process offers. */
// biome-ignore lint/suspicious/noExplicitAny: methods of any arguments stand in one record.
export type Methods = Record<string, (...args: any[]) => unknown>

/** The other process's functions, as called from here. */
export type Remote<Theirs extends Methods> = {
  [Name in keyof Theirs]: (
    ...args: Parameters<Theirs[Name]>
  ) => Promise<Awaited<ReturnType<Theirs[Name]>>>
}

/** The part of a process or child process that is used. */
interface Channel {
  connected?: boolean
  send?(message: object): boolean
  on(event: 'message', listener: (message: unknown) => void): unknown
  once(event: 'disconnect', listener: () => void): unknown
}

type Message = { id: number } & (
  | { call: string; args: unknown[] }
  | { result: unknown }
  | { error: string }
)

/**
 * Offers the functions `ours` on the channel, and returns the functions `Theirs` of the other side. A call
 * fails when the channel closes.
 */
export function connect<Theirs extends Methods>(channel: Channel, ours: Methods): Remote<Theirs> {
  const open = new Map<number, { done(result: unknown): void; fail(error: Error): void }>()
  let calls = 0
  const send = (message: Message) => {
    if (channel.connected) channel.send?.(message)
  }
  const answer = async (id: number, call: string, args: unknown[]) => {
    try {
      send({ id, result: await ours[call]?.(...args) })
    } catch (error) {
      send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  }
  channel.on('message', (given) => {
    const message = given as Message
    if ('call' in message) return void answer(message.id, message.call, message.args)
    const caller = open.get(message.id)
    open.delete(message.id)
    if ('error' in message) caller?.fail(new Error(message.error))
    else caller?.done(message.result)
  })
  channel.once('disconnect', () => {
    for (const { fail } of open.values()) fail(new Error('The other process has ended.'))
    open.clear()
  })
  return new Proxy({} as Remote<Theirs>, {
    get:
      (_, call) =>
      (...args: unknown[]) =>
        new Promise((done, fail) => {
          calls += 1
          open.set(calls, { done, fail })
          send({ id: calls, call: String(call), args })
        }),
  })
}
