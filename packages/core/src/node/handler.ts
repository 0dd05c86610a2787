/**
 * Adapts handlers of Web requests to Node's HTTP server. The adapter answers every request or closes its
 * connection, takes the host's address from the configuration alone, and never rejects, because Node ends a
 * process on an unhandled rejection.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import * as z from 'zod'
import { readEnv } from '../env.ts'
import { isTollgateError, TollgateError, toResponse } from '../errors.ts'
import { createLogger, type Logger } from '../logger.ts'
import { originOf } from '../origin.ts'
import { writeBody, writeHead } from './answer.ts'
import { webRequestOf } from './request.ts'

/** A handler of Web requests. `baseURL`, if set, is the origin that the handler was created with. */
export interface WebHandler {
  (req: Request): Response | Promise<Response>
  /** The origin that the handler was created with. Default: the option `baseURL`, else `APP_URL`. */
  baseURL?: string
}

/** An object with a handler, such as `auth`. */
export interface HandlerOwner {
  /** The handler of Web requests. */
  handler: WebHandler
  /** The host's origin. Default: the handler's own, else `APP_URL`. */
  baseURL?: string
}

/** The options of `toNodeHandler`. */
export interface NodeHandlerOptions {
  /**
   * The host's origin. Every request URL is built on it, whatever the `Host` header says. Default: the
   * handler's own `baseURL`, which `auth` has, else the variable `APP_URL`.
   */
  baseURL?: string
  /** The host's logger; its entries are masked. Default: JSON lines on standard error. */
  logger?: Logger
}

const env = z.object({
  /** The origin of the host, without a path. */
  APP_URL: z.url({ protocol: /^https?$/ }),
})

/**
 * Turns `handler` into a listener for `node:http`, Express and Connect: `app.all('/api/auth/*splat',
 * toNodeHandler(auth))`. If the handler throws a `TollgateError`, the response is problem+json with its
 * status; any other error becomes a bare 500 and is logged. The request's `signal` is aborted if the client
 * closes the connection before the response was sent.
 *
 * @throws `invalid_options` (500) for a `baseURL` that is not an origin
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { auth } from '@repo/auth'
 * import { toNodeHandler } from '@repo/core/node'
 *
 * createServer(toNodeHandler(auth)).listen(3000)
 * ```
 */
export function toNodeHandler(
  handler: WebHandler | HandlerOwner,
  options: NodeHandlerOptions = {},
): (req: IncomingMessage, res: ServerResponse) => Promise<void> {
  const logger = createLogger(options.logger)
  let origin = options.baseURL === undefined ? undefined : requireOrigin(options.baseURL)
  // Read on the first request, because touching a default instance reads the environment.
  const known = (): string => {
    origin ??= requireOrigin(baseURLOf(handler) ?? readEnv(env).APP_URL)
    return origin
  }
  const failed = (error: unknown, what: string): Response => {
    if (!isTollgateError(error) || error.status >= 500) logger.error({ error }, what)
    return toResponse(error)
  }

  return async (req, res) => {
    // Node throws a stream's `error` event if nothing listens to it.
    req.on('error', ignore)
    res.on('error', ignore)
    const cut = new AbortController()
    const onClose = () => cut.abort()
    if (res.destroyed) onClose()
    else res.once('close', onClose).once('finish', () => res.off('close', onClose))
    let release = () => {}
    try {
      const answer = await answerTo()
      // The client may have left, or middleware may have responded first, for instance after a timeout.
      if (res.headersSent || res.destroyed) return void answer?.body?.cancel().catch(ignore)
      await writeBody(res, begin(answer))
    } catch (error) {
      if (!res.destroyed) logger.error({ error }, 'a response ended before it was complete')
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
        // The handler stopped because the client left; this is not a failure.
        if (cut.signal.aborted && error === cut.signal.reason) return new Response()
        return failed(error, 'a request failed')
      }
    }

    function begin(answer: Response): Response {
      try {
        writeHead(res, answer)
        return answer
      } catch (error) {
        const instead = failed(error, 'a response could not be sent')
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
    'The base URL of toNodeHandler must be an http or https origin, without path, query and user.',
  )
}
