/**
 * Node's request body as a Web stream. It is read only as fast as the handler asks for it, and fails if the
 * client closes the connection before the end.
 *
 * @module
 */

import type { IncomingMessage } from 'node:http'
import { TollgateError } from '../errors.ts'

export interface BodyStream {
  body: ReadableStream<Uint8Array>
  /**
   * Call it once the response was sent: it discards the rest of the body, so that the next request can be
   * read.
   */
  release: () => void
}

/**
 * Replaces `Readable.toWeb`, which destroys the connection when a reader stops early, so no response could be
 * sent.
 */
export function streamOf(req: IncomingMessage): BodyStream {
  let controller: ReadableStreamDefaultController<Uint8Array>
  let isOver = false
  const onData = (chunk: Buffer | string) => {
    controller.enqueue(typeof chunk === 'string' ? Buffer.from(chunk, encodingOf(req)) : chunk)
    if ((controller.desiredSize ?? 0) <= 0) req.pause()
  }
  const onEnd = () => finish(() => controller.close())
  const onCut = () => finish(() => controller.error(aborted()))
  const finish = (how: () => void) => {
    if (isOver) return
    isOver = true
    req.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut)
    how()
  }
  const body = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given
        // Without this pause the data listener would start the flow before the handler reads.
        req.pause()
        req.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut)
        if (req.destroyed) onCut()
      },
      pull() {
        req.resume()
      },
      cancel() {
        finish(() => {})
      },
    },
    { highWaterMark: 0 },
  )
  return {
    body,
    release() {
      onCut()
      req.resume()
    },
  }
}

const encodingOf = (req: IncomingMessage): BufferEncoding => req.readableEncoding ?? 'utf8'

const aborted = () =>
  new TollgateError('request_aborted', 400, 'The body ended before it was complete.')
