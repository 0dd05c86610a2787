/**
 * The stand-ins behind one HTTP server: Stripe's and Creem's APIs and pages, Cal.com's pages, the sign-in
 * providers, the mailbox, and a front page that shows their data. The server listens on 127.0.0.1. For a browser that is another site
 * than the host app's `localhost`, so cookies and redirects behave as between a host and a provider.
 *
 * @module
 */

import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { type Clock, consoleLogger, createLogger, type Logger } from '@repo/core'
import { Hono, type MiddlewareHandler } from 'hono'
import {
  type CalcomSandbox,
  type CalcomSandboxOptions,
  type CalcomSnapshot,
  createCalcomSandbox,
} from './calcom/sandbox.ts'
import {
  type CreemSandbox,
  type CreemSandboxOptions,
  type CreemSnapshot,
  createCreemSandbox,
} from './creem/sandbox.ts'
import { SandboxError } from './errors.ts'
import { createFrontPage } from './front-page.tsx'
import { leadsBackTo, notFound, showError } from './layout.tsx'
import { createMailboxSandbox, type MailboxSandbox } from './mailbox/sandbox.ts'
import {
  createOAuthSandbox,
  type OAuthSandbox,
  type OAuthSandboxOptions,
  type OAuthSnapshot,
} from './oauth/sandbox.ts'
import { createStateFile } from './state-file.ts'
import { createStripeControls } from './stripe/control-endpoints.ts'
import {
  createStripeSandbox,
  type StripeSandbox,
  type StripeSandboxOptions,
} from './stripe/sandbox.ts'
import type { StripeSnapshot } from './stripe/server/store.ts'

type Shared = 'clock' | 'logger' | 'onChange' | 'origin'

/** The options of `createSandbox`. */
export interface SandboxOptions {
  /** Default 0: any free port. */
  port?: number
  /** Default 127.0.0.1. On a loopback address, requests that name another host are refused. */
  hostname?: string
  /** The stand-in for Stripe: its key, receivers and settings. */
  stripe: Omit<StripeSandboxOptions, Shared>
  /** Default: no receiver. */
  creem?: Omit<CreemSandboxOptions, Shared>
  /** Default: no event type and no receiver. */
  calcom?: Omit<CalcomSandboxOptions, Shared>
  /** The sign-in providers. Default: no client, so they refuse every request. */
  oauth?: Omit<OAuthSandboxOptions, Shared>
  /** The origin of the host app, which the header of every page leads back to. Default: no link. */
  appUrl?: string
  /** The folder to which `@repo/email` writes mails. Default: none, and the mailbox is empty. */
  outboxDir?: string
  /** The file that keeps the state of all stand-ins but the mailbox over a restart. Default: none. */
  stateFile?: string
  /** Domain time. Default: the machine's clock. */
  clock?: Clock
  /** Default: one JSON line per entry on standard error. */
  logger?: Logger
}

/** The URLs of the stand-ins, without trailing slashes. */
export interface SandboxUrls {
  /** The URL of the front page, which is also the base URL of the Stripe API. */
  url: string
  /** The base URL for a Stripe client, which adds `/v1/…` itself. */
  stripeUrl: string
  /** The base URL for a Creem client, which adds `/v1/…` itself. */
  creemUrl: string
  /** The part of a booking link before `user/event`. */
  calcomUrl: string
  /** The option `endpoint` of GitHub, Google and Microsoft, and the issuer of the OpenID Connect provider. */
  oauthUrls: { github: string; google: string; microsoft: string; oidc: string }
  mailboxUrl: string
}

/** All stand-ins behind one server. */
export interface Sandbox {
  /** The stand-in for Stripe. */
  stripe: StripeSandbox
  /** The stand-in for Creem. */
  creem: CreemSandbox
  /** The stand-in for Cal.com. */
  calcom: CalcomSandbox
  /** The stand-ins for GitHub, Google, Microsoft and an OpenID Connect provider. */
  oauth: OAuthSandbox
  /** The mails of the outbox. */
  mailbox: MailboxSandbox
  /** All stand-ins as one app, for a host that serves it itself. */
  app: Hono
  /**
   * Reads the state file and starts to listen.
   *
   * @throws `already_listening`, `invalid_state` after a stop, `state_file_unreadable`, and the system's
   *   error if the port is in use.
   */
  listen(): Promise<SandboxUrls>
  /** Stops listening and delivering, and writes the state file. Further calls do nothing. */
  stop(): Promise<void>
}

/** The content of the state file. */
interface SavedState {
  version: 1
  stripe: StripeSnapshot
  /** Absent in a file from before Creem was added. */
  creem?: CreemSnapshot
  calcom: CalcomSnapshot
  /** Absent in a file from before the sign-in providers were added. */
  oauth?: OAuthSnapshot
}

/**
 * Creates the stand-ins. Nothing is opened or read before `listen`.
 *
 * @example
 * ```ts
 * import { createSandbox } from '@repo/sandbox'
 *
 * const sandbox = createSandbox({
 *   stripe: {
 *     secretKey: 'sk_test_sandbox',
 *     webhooks: [{ url: 'http://localhost:3000/api/webhooks/stripe', secret: 'whsec_sandbox' }],
 *   },
 * })
 * const { stripeUrl } = await sandbox.listen()
 * console.log(`Stripe's stand-in listens at ${stripeUrl}.`)
 * ```
 */
export function createSandbox(options: SandboxOptions): Sandbox {
  const { port = 0, hostname = '127.0.0.1', stateFile } = options
  const logger = createLogger(options.logger ?? consoleLogger)
  // A write before the state file was read would replace it with an empty state.
  let isRead = false
  const onChange = (): void => {
    if (isRead) file?.changed()
  }
  const shared = { ...(options.clock ? { clock: options.clock } : {}), logger, onChange }

  const stripe = createStripeSandbox({ ...options.stripe, ...shared })
  const creem = createCreemSandbox({ ...options.creem, ...shared })
  const calcom = createCalcomSandbox({ eventTypes: [], ...options.calcom, ...shared })
  const oauth = createOAuthSandbox({ ...options.oauth, logger, onChange })
  const mailbox = createMailboxSandbox({
    ...(options.outboxDir === undefined ? {} : { outboxDir: options.outboxDir }),
    logger,
  })
  const app = composeApp({ stripe, creem, calcom, oauth, mailbox, logger, hostname, options })

  const state = (): SavedState => ({
    version: 1,
    stripe: stripe.snapshot(),
    creem: creem.snapshot(),
    calcom: calcom.snapshot(),
    oauth: oauth.snapshot(),
  })
  const file =
    stateFile === undefined
      ? undefined
      : createStateFile(stateFile, state, (error) =>
          logger.error({ error, stateFile }, 'The state of the sandbox could not be written'),
        )

  let phase: 'new' | 'listening' | 'stopped' = 'new'
  let server: Server | undefined
  let stopping: Promise<void> | undefined

  const listen = async (): Promise<SandboxUrls> => {
    if (phase === 'listening') {
      throw new SandboxError('already_listening', 409, 'The sandbox is already listening.')
    }
    if (phase === 'stopped') {
      throw new SandboxError(
        'invalid_state',
        409,
        'A stopped sandbox cannot start again. Create a new one.',
      )
    }
    phase = 'listening'
    try {
      const saved = await file?.read()
      // Always returns a promise: if a response is returned directly, Hono's server leaves its failure
      // unhandled.
      server = createAdaptorServer({
        fetch: async (req, env) => app.fetch(req, env),
        hostname,
      }) as Server
      const bound = await open(server, port, hostname)
      const url = `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${bound}`
      stripe.setOrigin(url)
      creem.setOrigin(url)
      calcom.setOrigin(url)
      oauth.setOrigin(url)
      if (saved !== undefined) restore({ stripe, creem, calcom, oauth }, saved, stateFile ?? '')
      isRead = true
      return {
        url,
        stripeUrl: url,
        creemUrl: `${url}/creem`,
        calcomUrl: `${url}/cal`,
        oauthUrls: {
          github: `${url}/github`,
          google: `${url}/google`,
          microsoft: `${url}/microsoft`,
          oidc: `${url}/oidc`,
        },
        mailboxUrl: `${url}/mailbox`,
      }
    } catch (error) {
      await close(server)
      phase = 'new'
      throw error
    }
  }

  const stop = async (): Promise<void> => {
    phase = 'stopped'
    await close(server)
    await Promise.all([stripe.stop(), creem.stop(), calcom.stop()])
    await file?.flush()
  }

  return {
    stripe,
    creem,
    calcom,
    oauth,
    mailbox,
    app,
    listen,
    stop: () => {
      stopping ??= stop()
      return stopping
    },
  }
}

function composeApp(parts: {
  stripe: StripeSandbox
  creem: CreemSandbox
  calcom: CalcomSandbox
  oauth: OAuthSandbox
  mailbox: MailboxSandbox
  logger: Logger
  hostname: string
  options: SandboxOptions
}): Hono {
  const { stripe, creem, calcom, oauth, mailbox, logger, hostname, options } = parts
  const app = new Hono()
  app.use(ownHost(hostname))
  if (options.appUrl !== undefined) app.use(leadsBackTo(options.appUrl))
  app.route(
    '/',
    createFrontPage({
      stripe,
      creem,
      calcom,
      oauth,
      mailbox,
      eventTypes: options.calcom?.eventTypes ?? [],
    }),
  )
  app.route('/', createStripeControls(stripe))
  app.route('/', stripe.app)
  app.route('/', creem.app)
  app.route('/', calcom.app)
  app.route('/', oauth.app)
  app.route('/', mailbox.app)
  app.notFound((c) => notFound(c, 'Sandbox'))
  app.onError(showError('Sandbox', logger))
  return app
}

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]'])

/**
 * Refuses a request that names another host than this machine. Otherwise a foreign page whose name resolves
 * to this machine could read the mailbox.
 */
function ownHost(hostname: string): MiddlewareHandler {
  const isLocal = LOOPBACK.has(hostname) || hostname === '::1'
  return async (c, next) => {
    if (!isLocal || LOOPBACK.has(new URL(c.req.url).hostname)) return next()
    throw new SandboxError(
      'foreign_origin',
      403,
      'The sandbox only answers requests that name this machine.',
    )
  }
}

function open(server: Server, port: number, hostname: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, hostname, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function close(server: Server | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (!server?.listening) return resolve()
    server.close(() => resolve())
    // Keep-alive connections would delay the close until they time out.
    server.closeAllConnections()
  })
}

function restore(
  parts: Pick<Sandbox, 'stripe' | 'creem' | 'calcom' | 'oauth'>,
  saved: unknown,
  path: string,
): void {
  if (!isSavedState(saved)) {
    throw new SandboxError(
      'state_file_unreadable',
      500,
      `The sandbox's state file ${path} has another version. Delete it to start with an empty state.`,
    )
  }
  parts.stripe.restore(saved.stripe)
  if (saved.creem) parts.creem.restore(saved.creem)
  parts.calcom.restore(saved.calcom)
  if (saved.oauth) parts.oauth.restore(saved.oauth)
}

function isSavedState(value: unknown): value is SavedState {
  const saved = value as Partial<SavedState> | null
  const isKnown =
    saved?.version === 1 && (saved.creem?.version ?? 1) === 1 && (saved.oauth?.version ?? 1) === 1
  return isKnown && saved.stripe?.version === 1 && saved.calcom?.version === 1
}
