/**
 * The adapter between Node's HTTP and handlers of Web requests. It answers every request or closes its
 * connection, takes the host's address from the configuration alone, and never rejects: Node ends a process
 * that leaves a rejection unhandled.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { readEnv } from '../env.ts'
import { isTollgateError, TollgateError, toResponse } from '../errors.ts'
import { createLogger, type Logger } from '../logger.ts'
import { originOf } from '../origin.ts'
import { writeBody, writeHead } from './answer.ts'
import { webRequestOf } from './request.ts'

/** A handler of Web requests. `baseURL`, where it is set, is the origin that the handler was made with. */
export interface WebHandler {
  (req: Request): Response | Promise<Response>
  baseURL?: string
}

export interface NodeHandlerOptions {
  /**
   * The host's origin. Every request gets an address on it, whatever its `Host` header says. Default: the
   * base URL of the handler, which `auth` has, else the variable `APP_URL`.
   */
  baseURL?: string
  /** Put behind the mask. Default: JSON lines on standard error. */
  logger?: Logger
}

const env = z.object({
  /** Where people reach the host, without a path. */
  APP_URL: z.url({ protocol: /^https?$/ }),
})

/**
 * `handler` as a listener for `node:http`, Express and Connect: `app.all('/api/auth/*splat',
 * toNodeHandler(auth))`. An error that the handler throws becomes a problem+json answer: a `TollgateError`
 * with its own status, any other error as a bare 500 that is logged. The request's `signal` is aborted when
 * the caller closes the connection before the answer was sent.
 *
 * @throws `invalid_options` (500) for a `baseURL` that is not an origin
 */
export function toNodeHandler(
  handler: WebHandler | { handler: WebHandler; baseURL?: string },
  options: NodeHandlerOptions = {},
): (req: IncomingMessage, res: ServerResponse) => Promise<void> {
  const logger = createLogger(options.logger)
  let origin = options.baseURL === undefined ? undefined : requireOrigin(options.baseURL)
  // Read with the first request, because a default instance reads the environment when it is touched.
  const known = (): string => {
    origin ??= requireOrigin(baseURLOf(handler) ?? readEnv(env).APP_URL)
    return origin
  }
  const failed = (error: unknown, what: string): Response => {
    if (!isTollgateError(error) || error.status >= 500) logger.error({ error }, what)
    return toResponse(error)
  }

  return async (req, res) => {
    // Node throws the `error` event of a stream that nobody listens to.
    req.on('error', ignore)
    res.on('error', ignore)
    const cut = new AbortController()
    const onClose = () => cut.abort()
    if (res.destroyed) onClose()
    else res.once('close', onClose).once('finish', () => res.off('close', onClose))
    let release = () => {}
    try {
      const answer = await answerTo()
      // The caller may have left, or middleware may have answered first, after a time limit for one.
      if (res.headersSent || res.destroyed) return void answer?.body?.cancel().catch(ignore)
      await writeBody(res, begin(answer))
    } catch (error) {
      if (!res.destroyed) logger.error({ error }, 'an answer broke off')
      res.destroy()
    } finally {
      release()
    }

    async function answerTo(): Promise<Response> {
      try {
        const made = webRequestOf(req, known(), cut.signal)
        release = made.release
        return await (typeof handler === 'function'
          ? handler(made.request)
          : handler.handler(made.request))
      } catch (error) {
        // The handler stopped because the caller left; that is not a failure.
        if (cut.signal.aborted && error === cut.signal.reason) return new Response()
        return failed(error, 'a request failed')
      }
    }

    function begin(answer: Response): Response {
      try {
        writeHead(res, answer)
        return answer
      } catch (error) {
        const instead = failed(error, 'an answer could not be sent')
        writeHead(res, instead)
        return instead
      }
    }
  }
}

function ignore(): void {}

const baseURLOf = (handler: Parameters<typeof toNodeHandler>[0]): string | undefined =>
  handler.baseURL ?? (typeof handler === 'function' ? undefined : handler.handler.baseURL)

/** @throws `invalid_options` (500) */
function requireOrigin(baseURL: string): string {
  const origin = originOf(baseURL)
  if (origin !== null) return origin
  throw new TollgateError(
    'invalid_options',
    500,
    'The base URL of toNodeHandler must be an origin, http or https, without path, query and user.',
  )
}
