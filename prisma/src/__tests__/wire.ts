/** A wire to the server on which a test sees, and may hold, what passes. */

import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

/** Passes on what came, all of it, less or nothing. */
type Passing = (chunk: Buffer, pass: (chunk: Buffer) => void) => void

export interface Wire {
  /** The database, at the other end. */
  url: string
  /** Ends the connections there are; others may follow. */
  cut(): void
  close(): void
}

/** `asked` is what the client says, `answered` what the server does. */
export async function createWire(
  databaseUrl: string,
  { asked, answered }: { asked: Passing; answered: Passing },
): Promise<Wire> {
  const { hostname, port } = new URL(databaseUrl)
  const sockets: Socket[] = []
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    sockets.push(near, far)
    for (const [from, to, passing] of [
      [near, far, asked],
      [far, near, answered],
    ] as const) {
      from.on('data', (chunk) => passing(chunk, (passed) => void to.write(passed)))
      from.on('close', () => to.destroy())
      from.on('error', () => {})
    }
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const cut = () => {
    for (const socket of sockets.splice(0)) socket.destroy()
  }
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    cut,
    close() {
      cut()
      server.close()
    },
  }
}
