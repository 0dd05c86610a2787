/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/**
 * The page on which a person chooses an account, or refuses. A request whose client or redirect URI is not registered
 * gets a page and is never sent anywhere; any other fault is sent back with its `state`.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
 * @module
 */

import type { Context as HonoContext } from 'hono'
import { Notice, Page, readForm, render } from '../layout.tsx'
import type { Challenge, Grant, Grants, OAuthClient } from './grants.ts'
import { type OAuthPerson, personFrom } from './people.ts'

/** How a provider differs from the others at its authorization page. */
export interface AuthorizeRules {
  /** The provider's name as people read it. */
  name: string
  /** The parameter that suggests an account: `login_hint`, or `login` at GitHub. */
  hint: 'login' | 'login_hint'
  /** Whether `response_type` may be left out, as at GitHub. */
  isResponseTypeOptional: boolean
  /** Whether the scope has to have `openid`. */
  isOpenId: boolean
  /** The PKCE methods; the first one counts where the request names none. */
  methods: readonly Challenge['method'][]
  /** The parameters that go with a code. */
  extras?(grant: Grant): Record<string, string>
  /** The text and the parameters that go with `access_denied`. */
  denial: Record<string, string>
}

/** What a page is made of. */
export interface AuthorizeOptions {
  rules: AuthorizeRules
  clients: readonly OAuthClient[]
  grants: Grants
  /** The people who have an account, in this request's directory. */
  people: readonly OAuthPerson[]
  /** Keeps an account that was typed in. */
  onPerson(person: OAuthPerson): void
  /** The directory of the request's path, at Microsoft. Default: none. */
  tenant?: string
}

/** A request that a person may be asked about. */
interface Asked {
  client: OAuthClient
  redirectUri: string
  state: string | null
  scopes: string[]
  nonce: string | null
  challenge: Challenge | null
  isOffline: boolean
  hint: string | null
}

type Read =
  | { asked: Asked }
  /** Shown, because nobody may be sent to an address that is not registered. */
  | { fault: 'invalid_client' | 'redirect_uri_mismatch' | 'invalid_request'; says: string }
  /** Sent back. */
  | { error: string; says: string; redirectUri: string; state: string | null }

/** Answers `GET` with the page, and `POST` with the way back. */
export async function authorize(c: HonoContext, options: AuthorizeOptions): Promise<Response> {
  const { rules, grants } = options
  const read = readRequest(new URL(c.req.url).searchParams, options)
  if ('fault' in read) return faultPage(c, rules, read)
  if ('error' in read) {
    const { error, says, redirectUri, state } = read
    return sendBack(c, redirectUri, state, { error, error_description: says })
  }
  const { asked } = read
  if (c.req.method !== 'POST') return choicePage(c, options, asked)
  const fields = await readForm(c)
  if (fields.refuse !== undefined) {
    return sendBack(c, asked.redirectUri, asked.state, { error: 'access_denied', ...rules.denial })
  }
  const person =
    fields.person === undefined
      ? personFrom(fields)
      : options.people.find(({ id }) => id === fields.person)
  if (!person) return choicePage(c, options, asked, 'This account does not exist here.')
  if (fields.person === undefined) options.onPerson(person)
  const grant: Grant = { ...asked, person, tenant: options.tenant ?? '' }
  const code = grants.issueCode(grant)
  return sendBack(c, asked.redirectUri, asked.state, { code, ...rules.extras?.(grant) })
}

function readRequest(query: URLSearchParams, { rules, clients }: AuthorizeOptions): Read {
  const repeated = [...query.keys()].find((name) => query.getAll(name).length > 1)
  if (repeated !== undefined) {
    return { fault: 'invalid_request', says: `The parameter ${repeated} is given twice.` }
  }
  const client = clients.find(({ clientId }) => clientId === query.get('client_id'))
  if (!client) {
    return { fault: 'invalid_client', says: 'No client with this client_id is registered.' }
  }
  const redirectUri = query.get('redirect_uri')
  if (redirectUri === null || !client.redirectUris.includes(redirectUri)) {
    return {
      fault: 'redirect_uri_mismatch',
      says: `The redirect_uri ${redirectUri ?? '(missing)'} is not registered. Registered: ${client.redirectUris.join(', ') || 'none'}.`,
    }
  }
  const state = query.get('state')
  const wrong = (error: string, says: string): Read => ({ error, says, redirectUri, state })
  const type = query.get('response_type') ?? (rules.isResponseTypeOptional ? 'code' : null)
  if (type === null) return wrong('invalid_request', 'The parameter response_type is missing.')
  if (type !== 'code') return wrong('unsupported_response_type', 'The response_type must be code.')
  const mode = query.get('response_mode')
  if (mode !== null && mode !== 'query') {
    return wrong('invalid_request', 'This stand-in answers with response_mode query only.')
  }
  const scopes = (query.get('scope') ?? '').split(/[ ,]+/).filter((scope) => scope !== '')
  if (rules.isOpenId && !scopes.includes('openid')) {
    return wrong('invalid_scope', 'The scope must have openid.')
  }
  const prompts = (query.get('prompt') ?? '').split(' ')
  // Nobody is ever signed in at a stand-in, so a page has to be shown.
  if (prompts.includes('none')) return wrong('interaction_required', 'A person has to choose.')
  const challenge = readChallenge(query, client, rules.methods)
  if (typeof challenge === 'string') return wrong('invalid_request', challenge)
  return {
    asked: {
      client,
      redirectUri,
      state,
      scopes,
      nonce: query.get('nonce'),
      challenge,
      isOffline: query.get('access_type') === 'offline',
      hint: query.get(rules.hint),
    },
  }
}

/** The challenge, null without one, or what is wrong with it. */
function readChallenge(
  query: URLSearchParams,
  client: OAuthClient,
  methods: AuthorizeRules['methods'],
): Challenge | string | null {
  const value = query.get('code_challenge')
  const given = query.get('code_challenge_method')
  if (value === null) {
    if (given !== null) return 'The parameter code_challenge is missing.'
    return client.clientSecret === undefined ? 'A public client must send a code_challenge.' : null
  }
  const method = given === null ? methods[0] : methods.find((each) => each === given)
  if (!method) return `The code_challenge_method must be ${methods.join(' or ')}.`
  if (!/^[\w.~-]{43,128}$/.test(value)) return 'The code_challenge is malformed.'
  return { value, method }
}

/** Leads back to the client. Parameters that its address has stay. */
function sendBack(
  c: HonoContext,
  redirectUri: string,
  state: string | null,
  parameters: Record<string, string>,
): Response {
  const back = new URL(redirectUri)
  for (const [name, value] of Object.entries(parameters)) back.searchParams.set(name, value)
  if (state !== null) back.searchParams.set('state', state)
  c.header('cache-control', 'no-store')
  return c.redirect(back.href, 303)
}

function faultPage(
  c: HonoContext,
  { name }: AuthorizeRules,
  { fault, says }: { fault: string; says: string },
): Response {
  const page = (
    <Notice title={`Error 400: ${fault}`} area={name}>
      <p>{says}</p>
      <p class="soft">{name} would show a page like this one, and send nobody back to the app.</p>
    </Notice>
  )
  return render(c, page, { status: 400 })
}

function choicePage(
  c: HonoContext,
  { rules, people }: AuthorizeOptions,
  { client, hint, redirectUri }: Asked,
  error: string | null = null,
): Response {
  const isHinted = ({ email, id }: OAuthPerson) => hint !== null && (email === hint || id === hint)
  const sorted = [...people].sort((a, b) => Number(isHinted(b)) - Number(isHinted(a)))
  const isKnown = people.some(isHinted)
  const page = (
    <Page title={`Sign in with ${rules.name}`} area={rules.name}>
      <section class="card">
        <h1>Choose an account</h1>
        <p class="soft">
          to continue to {new URL(redirectUri).host} ({client.clientId})
        </p>
        {error !== null && (
          <p class="error" role="alert">
            {error}
          </p>
        )}
        <form method="post">
          {sorted.map((person) => (
            <button class="choice" type="submit" name="person" value={person.id}>
              {person.name}
              <span class="soft">{described(person)}</span>
            </button>
          ))}
        </form>
      </section>
      <section class="card">
        <h2>Another person</h2>
        <form method="post">
          <label>
            Name
            <input name="name" autocomplete="off" maxlength={200} />
          </label>
          <label>
            E-mail
            <input
              name="email"
              type="email"
              autocomplete="off"
              value={hint !== null && !isKnown && hint.includes('@') ? hint : ''}
            />
          </label>
          <label class="check">
            <input name="verified" type="checkbox" checked /> {rules.name} has verified the address
          </label>
          <button class="main" type="submit">
            Continue
          </button>
        </form>
      </section>
      <form method="post">
        <button type="submit" name="refuse" value="yes">
          Cancel
        </button>
      </form>
    </Page>
  )
  return render(c, page, { leaves: true, ...(error === null ? {} : { status: 400 }) })
}

function described({ email, emailVerified, organization }: OAuthPerson): string {
  if (email === null) return 'no e-mail address'
  const parts = [email, emailVerified ? null : 'not verified', organization ? organization : null]
  return parts.filter((part) => part !== null).join(' · ')
}
