/**
 * Checks the fields of a request by the schema of its endpoint. Hooks run before Better Auth's own check, so
 * a field of a wrong type is refused here. A field that the endpoint does not know is removed, so that no
 * hook and no table gets it. Texts may be only as long as their field needs.
 *
 * @module
 */

import { Prisma } from '@repo/db'
import * as z from 'zod'
import type { OwnFields } from '../account/user-fields.ts'
import { accountEmail } from '../database/stand-in-address.ts'
import { AuthError } from '../errors.ts'
import { picture } from '../pictures.ts'
import { type Body, collect, type Fields, fieldsOf, shown } from './body.ts'
import { isOpen, listsOf, namesOf } from './schema-fields.ts'
import { flawOf } from './text.ts'

/** The longest text of a field, in characters. A longer one fits no mail, page or column. */
const MAX_LENGTH: Record<string, number> = {
  name: 200,
  email: 254,
  newEmail: 254,
  slug: 100,
  // Tokens of other servers, signed queries, and the data that a device signs.
  ...Object.fromEntries(
    [
      ...['token', 'accessToken', 'refreshToken', 'access_token', 'refresh_token', 'id_token_hint'],
      ...['client_assertion', 'oauth_query', 'state', 'code', 'next', 'clientDataJSON'],
      ...['authenticatorData', 'request', 'jwks', 'software_statement'],
    ].map((name) => [name, 8_192]),
  ),
  attestationObject: 32_768,
}
/** The longest text of any other field, in characters. */
const MAX_TEXT = 2_048
/** The longest name of a field, in characters. */
const MAX_NAME = 128
/** How many entries a list or an object may have. */
const MAX_ENTRIES = 200
/** How deeply a body may be nested. */
const MAX_DEPTH = 8

/** Our schemas, for endpoints whose own schema accepts anything. */
const OWN: Record<string, z.ZodObject> = {
  '/sign-up/email': z.object({
    name: z.string(),
    email: z.string(),
    password: z.string(),
    image: picture.optional(),
    callbackURL: z.string().optional(),
    rememberMe: z.boolean().optional(),
  }),
  '/update-user': z.object({ name: z.string().optional(), image: picture.nullish() }),
  '/update-session': z.object({}),
  '/organization/create': z.looseObject({ logo: picture.nullish() }),
  '/organization/update': z.looseObject({
    data: z.looseObject({ logo: picture.nullish() }).optional(),
  }),
}

/** Columns that a caller might try to set. Ignoring such a field silently would look like success. */
const COLUMNS = new Set<string>([
  ...Object.keys(Prisma.UserScalarFieldEnum),
  ...Object.keys(Prisma.SessionScalarFieldEnum),
])

/** A hook of the OAuth server reads this field at every endpoint. */
const EVERYWHERE = z.looseObject({ oauth_query: z.string().optional() })

/** The fields that hold an e-mail address. */
const EMAILS = ['email', 'newEmail', 'memberIdOrEmail']

/** The part of an endpoint that is read here. */
interface Endpoint {
  path?: string
  options?: {
    method?: string | string[]
    body?: z.ZodType
    query?: z.ZodType
    metadata?: { SERVER_ONLY?: boolean; allowedMediaTypes?: string[] }
  }
}

/** Checks requests by the schemas of their endpoints. */
export interface FieldCheck {
  /** Checks the query parameters. @throws `invalid_request` (400) */
  query(method: string, url: URL): Promise<void>
  /**
   * Checks a body and returns the text for the endpoint to read.
   *
   * @throws `unsupported_media_type` (415), `invalid_request`, `invalid_email`, `field_not_allowed` (400)
   */
  body(method: string, url: URL, text: string, contentType: string): Promise<string>
}

/** The endpoints that take the host's own fields of a user. */
const OF_USERS = ['/sign-up/email', '/update-user']

/**
 * Makes the check. The host's own fields are let through to the endpoints, which check them.
 *
 * @param api Better Auth's endpoints by name, including ours
 */
export function createFieldCheck(api: object, basePath: string, own: OwnFields): FieldCheck {
  const find = finderOf(Object.values(api) as Endpoint[], basePath)
  const names = [...own.settable, ...own.ofPlugins]
  const settable = Object.fromEntries(names.map((name) => [name, z.unknown().optional()]))
  const ours = { ...OWN }
  for (const path of OF_USERS) ours[path] = (OWN[path] as z.ZodObject).extend(settable)

  async function query(method: string, { pathname, searchParams }: URL): Promise<void> {
    const schema = find(method, pathname)?.options?.query
    const fields = collect(searchParams, (name) => listsOf(schema).has(name))
    for (const name of Object.keys(fields)) {
      // Better Auth collects the parameters in an object that already has these names.
      if (name in Object.prototype) refuse(name, 'is not allowed as the name of a parameter')
    }
    checkValue(fields)
    await check(schema, fields, 'query')
  }

  async function body(
    method: string,
    { pathname }: URL,
    text: string,
    contentType: string,
  ): Promise<string> {
    const endpoint = find(method, pathname)
    const schema = endpoint?.options?.body
    const path = endpoint?.path ?? ''
    const read = fieldsOf(text, contentType, (name) => listsOf(schema).has(name))
    if (OF_USERS.includes(path)) requireSettable(own, read.fields)
    if (endpoint) keepKnown(read, ours, path, schema)
    checkValue(read.fields)
    const { name } = read.fields
    if (typeof name === 'string' && name.trim() === '') refuse('name', 'is empty')
    canonicalEmails(read.fields)
    if (endpoint) await checkBody(read, ours, path, endpoint)
    return written(read)
  }

  return { query, body }
}

function finderOf(endpoints: Endpoint[], basePath: string) {
  const exact = new Map<string, Endpoint>()
  const patterns: [RegExp, Endpoint][] = []
  for (const endpoint of endpoints) {
    const { path, options } = endpoint
    if (!path || options?.metadata?.SERVER_ONLY) continue
    for (const method of [options?.method ?? 'GET'].flat()) {
      const named = `${method} ${basePath}${path}`
      if (!path.includes(':')) exact.set(named, endpoint)
      else patterns.push([new RegExp(`^${named.replace(/:\w+/g, '[^/]+')}$`), endpoint])
    }
  }
  return (method: string, pathname: string): Endpoint | undefined => {
    const named = `${method} ${pathname}`
    return exact.get(named) ?? patterns.find(([pattern]) => pattern.test(named))?.[1]
  }
}

/** Removes the fields that the endpoint does not know, and refuses an attempt to set a column. */
function keepKnown(
  { fields, isForm }: Body,
  ours: Readonly<Record<string, z.ZodObject>>,
  path: string,
  schema: z.ZodType | undefined,
): void {
  const own = Object.hasOwn(ours, path) ? ours[path] : undefined
  const known = schema && namesOf(own && isOpen(schema) ? own : schema)
  // Only the endpoint reads the OAuth server's forms, and some of those endpoints show no schema.
  if (known === null || (known === undefined && isForm)) return
  for (const name of Object.keys(fields)) {
    if (known?.has(name) || name === 'oauth_query') continue
    if (path.startsWith('/update-') && COLUMNS.has(name)) {
      throw new AuthError('field_not_allowed', `${name} cannot be changed here.`)
    }
    delete fields[name]
  }
}

/** Refuses a field that only the host sets. @throws `field_not_allowed` (400) */
function requireSettable({ all }: OwnFields, fields: Fields): void {
  for (const [name, { input }] of all) {
    if (!input && Object.hasOwn(fields, name)) {
      throw new AuthError('field_not_allowed', `${name} cannot be set here.`)
    }
  }
}

async function checkBody(
  { fields, isForm }: Body,
  ours: Readonly<Record<string, z.ZodObject>>,
  path: string,
  endpoint: Endpoint,
): Promise<void> {
  await check(EVERYWHERE, fields, 'body')
  const own = Object.hasOwn(ours, path) ? ours[path] : undefined
  if (own) await check(own, fields, 'body')
  const { body: schema, metadata } = endpoint.options ?? {}
  // Endpoints for programs report mistakes with OAuth's own codes, and their forms hold only texts.
  if (isForm && metadata?.allowedMediaTypes?.every((type) => !type.includes('json'))) return
  await check(schema, fields, 'body')
}

type Issue = z.core.$ZodIssue

async function check(schema: z.ZodType | undefined, fields: Fields, where: string): Promise<void> {
  if (!schema) return
  const { error } = await schema.safeParseAsync(fields)
  const issue = error?.issues.find((each) => !isMissing(each, fields) && !isEmail(each, fields))
  if (!issue) return
  const at = issue.path.map(String).map(shown).join('.')
  throw new AuthError(
    'invalid_request',
    `[${[where, at].filter(Boolean).join('.')}] ${said(issue)}`,
  )
}

/** Zod's message holds no value of the field, except for the names of unknown keys. */
const said = (issue: Issue): string =>
  issue.code === 'unrecognized_keys' ? 'It has unknown fields.' : issue.message

/**
 * Whether the issue is about an address. Ours was checked before, and Better Auth's schemas accept fewer
 * addresses.
 */
const isEmail = ({ path: [name, ...more] }: Issue, fields: Fields): boolean =>
  more.length === 0 && EMAILS.includes(String(name)) && isAddress(fields[String(name)])

const isAddress = (value: unknown): value is string =>
  typeof value === 'string' && value.includes('@')

/**
 * Whether the issue is only a missing value. A hook may still add the value, and the endpoint checks again.
 */
function isMissing(issue: Issue, values: unknown): boolean {
  let value = values
  for (const step of issue.path) value = (value as Fields | null | undefined)?.[step as string]
  if (value === undefined) return true
  return (
    issue.code === 'invalid_union' &&
    issue.errors.some(
      (branch) => branch.length > 0 && branch.every((each) => isMissing(each, value)),
    )
  )
}

/**
 * Writes each address in its canonical form. A text that is not an address is left for the endpoint to
 * refuse.
 */
function canonicalEmails(fields: Fields): void {
  for (const name of EMAILS) {
    const typed = fields[name]
    if (!isAddress(typed)) continue
    const email = accountEmail(typed)
    if (email === null)
      throw new AuthError('invalid_email', `${name} is not a valid e-mail address.`)
    fields[name] = email
  }
}

function written({ fields, isForm }: Body): string {
  if (!isForm) return JSON.stringify(fields)
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(fields)) {
    for (const each of [value].flat()) form.append(name, String(each))
  }
  return form.toString()
}

function checkValue(value: unknown, key = '', depth = 0): void {
  if (depth > MAX_DEPTH) throw new AuthError('invalid_request', 'The body is nested too deeply.')
  if (typeof value === 'string') checkText(value, key)
  if (value === null || typeof value !== 'object') return
  const entries = Object.entries(value)
  if (entries.length > MAX_ENTRIES) refuse(key, `has more than ${MAX_ENTRIES} entries`)
  for (const [name, inner] of entries) {
    if (name.length > MAX_NAME) refuse('', `has a name of more than ${MAX_NAME} characters`)
    checkText(name, '')
    checkValue(inner, Array.isArray(value) ? key : name, depth + 1)
  }
}

function checkText(text: string, key: string): void {
  const flaw = flawOf(text)
  if (flaw !== null) refuse(key, flaw)
  const max = Object.hasOwn(MAX_LENGTH, key) ? (MAX_LENGTH[key] as number) : MAX_TEXT
  if (text.length > max) refuse(key, `has more than ${max} characters`)
}

function refuse(name: string, why: string): never {
  throw new AuthError('invalid_request', `${shown(name)} ${why}.`)
}
