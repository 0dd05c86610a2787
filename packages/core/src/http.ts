/**
 * For handlers of HTTP requests: reads a body up to a limit, and compares secrets in constant time.
 *
 * @module
 */

import { timingSafeEqual } from 'node:crypto'

/**
 * Why a body could not be read. `already_read`: the host has read it. `broken_off`: it ended before it was
 * complete.
 */
export type BodyFailure = 'already_read' | 'too_large' | 'broken_off' | 'not_utf8'

/** The options of `readText`. */
export interface ReadTextOptions {
  /** The most bytes that are read. */
  limit: number
  /** Makes the error that is thrown. */
  failed: (failure: BodyFailure, cause?: unknown) => Error
  /** Whether a byte order mark is part of the text, as it is where the bytes are signed. Default false. */
  keepsMark?: boolean
}

/**
 * The whole body of a request, as UTF-8; an empty string if it has none.
 *
 * @throws what `failed` returns; `too_large` before more than the limit is read
 */
export async function readText(
  req: Request,
  { limit, failed, keepsMark = false }: ReadTextOptions,
): Promise<string> {
  if (req.bodyUsed || req.body?.locked) throw failed('already_read')
  if (Number(req.headers.get('content-length') ?? 0) > limit) throw failed('too_large')
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = req.body?.getReader()
  const read = () =>
    reader?.read().catch((cause: unknown) => {
      throw failed('broken_off', cause)
    })
  // The content-length header may be missing or wrong, so the bytes are counted.
  for (let next = await read(); next && !next.done; next = await read()) {
    size += next.value.byteLength
    // The rest stays unread: cancelling the stream would close the connection before the answer is sent.
    if (size > limit) throw failed('too_large')
    chunks.push(next.value)
  }
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: keepsMark })
    return decoder.decode(Buffer.concat(chunks))
  } catch (cause) {
    throw failed('not_utf8', cause)
  }
}

/** Whether two texts are equal. How long it takes says nothing about where they differ, but tells their lengths. */
export function isSameSecret(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)]
  return one.length === other.length && timingSafeEqual(one, other)
}
