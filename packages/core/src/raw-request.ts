/**
 * Requests as bytes, for what no HTTP client would send.
 *
 * @module
 */

import { connect, type Socket } from 'node:net'

/**
 * Sends `bytes`, one character each, over a connection of their own. Resolves with everything that comes
 * back until the server closes, so ask it to: `Connection: close`. `end` closes our side after the bytes.
 */
export function sendRaw(
  port: number,
  bytes: string,
  { end = false }: { end?: boolean } = {},
): Promise<string> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.setEncoding('latin1')
    socket.on('data', (part) => {
      text += part
    })
    // A server that has enough may cut the connection while we still write.
    socket.on('error', () => {})
    socket.on('close', () => done(text))
    if (end) socket.end(bytes, 'latin1')
    else socket.write(bytes, 'latin1')
  })
}

/** Sends `bytes` and keeps the connection open; resolves once they are on their way. */
export function beginRaw(port: number, bytes: string): Promise<Socket> {
  return new Promise((done, fail) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', fail)
    socket.write(bytes, 'latin1', () => {
      socket.off('error', fail).on('error', () => {})
      done(socket)
    })
  })
}

/** The statuses in what came back, in order; none where the connection was closed without an answer. */
export const statusesOf = (text: string): number[] =>
  [...text.matchAll(/(?:^|\n|[^\n])HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status))
