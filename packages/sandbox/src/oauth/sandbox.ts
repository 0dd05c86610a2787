/**
 * Stand-ins for the providers that sign people in: GitHub, Google, Microsoft and a general OpenID Connect provider, with
 * a page to choose a person. They accept registered clients only, and check secret, redirect URI, code and PKCE.
 *
 * @module
 */

import { consoleLogger, createLogger, type Logger } from '@repo/core'
import { Hono } from 'hono'
import { SandboxError } from '../errors.ts'
import { sameOrigin, showError } from '../layout.tsx'
import { createGitHub } from './github.ts'
import { createGoogle } from './google.ts'
import { createGrants, type OAuthClient } from './grants.ts'
import { createIdTokens } from './id-tokens.ts'
import { createMicrosoft } from './microsoft.ts'
import { createOidc } from './oidc.ts'
import { type OAuthPerson, PEOPLE } from './people.ts'
import type { ProviderParts } from './provider-parts.ts'

/** The providers that have a stand-in. */
export type OAuthProviderName = 'github' | 'google' | 'microsoft' | 'oidc'

const NAMES: readonly OAuthProviderName[] = ['github', 'google', 'microsoft', 'oidc']

/** The options of `createOAuthSandbox`. */
export interface OAuthSandboxOptions {
  /** The client of each provider. A provider without a client refuses every request. Default none. */
  clients?: Partial<Record<OAuthProviderName, OAuthClient>>
  /** The accounts on the page. Default: Ada, Grace, Mallory with Ada's address, and Alan without one. */
  people?: readonly OAuthPerson[]
  /** Whether Microsoft's app registration has the optional claim `xms_edov`. Default true. */
  hasDomainClaim?: boolean
  /** The origin of the pages. Default `http://127.0.0.1`. */
  origin?: string
  /** Default: one JSON line per entry on standard error. */
  logger?: Logger
  /** Called after an account was typed in. */
  onChange?: () => void
}

/** The state of the stand-ins as JSON. Codes, tokens and keys are not in it. */
export interface OAuthSnapshot {
  version: 1
  /** The accounts that were typed in, the last first. */
  people: OAuthPerson[]
}

/** Stand-ins for the providers that sign people in. */
export interface OAuthSandbox {
  /** The pages and endpoints below `/github`, `/google`, `/microsoft` and `/oidc`. */
  app: Hono
  /** Answers a request to a page or an endpoint. */
  fetch(request: Request): Promise<Response>
  /** Sets the origin of the pages. */
  setOrigin(origin: string): void
  /** The accounts on the pages, those that were typed in first. */
  readonly people: readonly OAuthPerson[]
  /** The providers that have a client. */
  readonly providers: readonly { name: OAuthProviderName; isDown: boolean }[]
  /** Takes a provider down, so that each request is answered with 503, or brings it up again. */
  setDown(provider: OAuthProviderName, isDown: boolean): void
  /** The accounts that were typed in. */
  snapshot(): OAuthSnapshot
  /** Replaces the accounts that were typed in. */
  restore(snapshot: OAuthSnapshot): void
}

/** How many typed accounts are kept. */
const TYPED = 20

/** Creates the stand-ins. They open no connection. */
export function createOAuthSandbox(options: OAuthSandboxOptions = {}): OAuthSandbox {
  const { clients = {}, people: given = PEOPLE } = options
  const logger = createLogger(options.logger ?? consoleLogger)
  let origin = options.origin ?? 'http://127.0.0.1'
  let typed: OAuthPerson[] = []
  const down = new Set<OAuthProviderName>()
  const people = () => [...typed, ...given]

  const partsOf = (name: OAuthProviderName, prefix: string): ProviderParts => {
    const client = clients[name]
    return {
      clients: client ? [client] : [],
      grants: createGrants(prefix),
      idTokens: createIdTokens(name),
      people,
      origin: () => origin,
      onPerson(person) {
        if (given.some(({ id }) => id === person.id)) return
        typed = [person, ...typed.filter(({ id }) => id !== person.id)].slice(0, TYPED)
        options.onChange?.()
      },
    }
  }

  const app = new Hono()
  for (const name of NAMES) {
    app.use(`/${name}/*`, async (c, next) => {
      if (down.has(name)) return c.text('This stand-in is down.', 503)
      await next()
    })
  }
  app.route('/', createGitHub(partsOf('github', 'gho_')))
  app.route('/', createGoogle(partsOf('google', 'ya29.')))
  const { hasDomainClaim = true } = options
  app.route('/', createMicrosoft({ ...partsOf('microsoft', 'EwB'), hasDomainClaim }))
  app.route('/', createOidc(partsOf('oidc', '')))
  app.post('/controls/oauth/:provider/:state{down|up}', sameOrigin, (c) => {
    const name = NAMES.find((each) => each === c.req.param('provider'))
    if (!name) {
      throw new SandboxError('not_found', 404, `The providers are ${NAMES.join(', ')}.`)
    }
    setDown(name, c.req.param('state') === 'down')
    const isBrowser = c.req.header('accept')?.includes('text/html') === true
    return isBrowser ? c.redirect('/', 303) : c.json({ provider: name, isDown: down.has(name) })
  })
  app.onError(showError('Sign-in', logger))

  function setDown(provider: OAuthProviderName, isDown: boolean): void {
    if (isDown) down.add(provider)
    else down.delete(provider)
  }

  return {
    app,
    fetch: async (request) => app.fetch(request),
    setOrigin(next) {
      origin = next
    },
    get people() {
      return structuredClone(people())
    },
    get providers() {
      return NAMES.filter((name) => clients[name]).map((name) => ({ name, isDown: down.has(name) }))
    },
    setDown,
    snapshot: () => ({ version: 1, people: structuredClone(typed) }),
    restore(snapshot) {
      typed = structuredClone(snapshot.people)
    },
  }
}
