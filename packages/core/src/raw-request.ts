/**
 * For tests: sends requests as raw bytes that no HTTP client would send.
 *
 * @module
 */

import { connect, type Socket } from 'node:net'

/** The options of `sendRaw`. */
export interface RawOptions {
  /** Whether our side is closed after the bytes. Default false. */
  end?: boolean
}

/**
 * Sends `bytes`, one character each, over a new connection. Resolves with everything the server sends until
 * it closes the connection, so send `Connection: close`. `end` closes our side after the bytes.
 */
export function sendRaw(
  port: number,
  bytes: string,
  { end = false }: RawOptions = {},
): Promise<string> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.setEncoding('latin1')
    socket.on('data', (part) => {
      text += part
    })
    // A server that refuses the request may cut the connection while we still write.
    socket.on('error', () => {})
    socket.on('close', () => done(text))
    if (end) socket.end(bytes, 'latin1')
    else socket.write(bytes, 'latin1')
  })
}

/** Sends `bytes` and keeps the connection open. Resolves once they are written. */
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

/** The statuses in the server's output, in order; empty if the connection was closed without a response. */
export const statusesOf = (text: string): number[] =>
  [...text.matchAll(/(?:^|\n|[^\n])HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status))
