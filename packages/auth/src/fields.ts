/**
 * What an endpoint takes, by its own schema. A field of another type is refused before any hook sees it, because
 * hooks run before Better Auth's own check; a field that the endpoint does not know is left out, so that no hook
 * and no table ever gets it. Texts are no longer than their field needs.
 *
 * @module
 */

import { Prisma } from '@repo/db'
import { z } from 'zod'
import { type Body, collect, type Fields, fieldsOf, shown } from './body.ts'
import { AuthError } from './errors.ts'
import { picture } from './pictures.ts'
import { isOpen, listsOf, namesOf } from './schema-fields.ts'
import { accountEmail } from './stand-in-address.ts'
import { flawOf } from './text.ts'

/** Longer texts fit no mail, no page and no column. */
const MAX_LENGTH: Record<string, number> = {
  name: 200,
  email: 254,
  newEmail: 254,
  slug: 100,
  // Tokens of others, signed queries, and what a device signs.
  ...Object.fromEntries(
    [
      ...['token', 'accessToken', 'refreshToken', 'access_token', 'refresh_token', 'id_token_hint'],
      ...['client_assertion', 'oauth_query', 'state', 'code', 'next', 'clientDataJSON'],
      ...['authenticatorData', 'request', 'jwks', 'software_statement'],
    ].map((name) => [name, 8_192]),
  ),
  attestationObject: 32_768,
}
const MAX_TEXT = 2_048
const MAX_NAME = 128
/** Of a list or an object. */
const MAX_ENTRIES = 200
const MAX_DEPTH = 8

/** What is taken where Better Auth's own schema takes anything. */
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

/** Columns that a person might try to set; silence would look like success. */
const COLUMNS = new Set<string>([
  ...Object.keys(Prisma.UserScalarFieldEnum),
  ...Object.keys(Prisma.SessionScalarFieldEnum),
])

/** A hook of the OAuth server reads it, whatever the endpoint. */
const EVERYWHERE = z.looseObject({ oauth_query: z.string().optional() })

const EMAILS = ['email', 'newEmail', 'memberIdOrEmail']

interface Endpoint {
  path?: string
  options?: {
    method?: string | string[]
    body?: z.ZodType
    query?: z.ZodType
    metadata?: { SERVER_ONLY?: boolean; allowedMediaTypes?: string[] }
  }
}

/** Checks requests by the endpoints that they are for. */
export interface FieldCheck {
  /** @throws `invalid_request` (400) */
  query(method: string, url: URL): Promise<void>
  /**
   * The text of a body as the endpoint is to read it.
   *
   * @throws `unsupported_media_type` (415), `invalid_request` (400)
   */
  body(method: string, url: URL, text: string, contentType: string): Promise<string>
}

/** @param api Better Auth's endpoints by name, and ours among them */
export function createFieldCheck(api: object, basePath: string): FieldCheck {
  const find = finderOf(Object.values(api) as Endpoint[], basePath)

  async function query(method: string, { pathname, searchParams }: URL): Promise<void> {
    const schema = find(method, pathname)?.options?.query
    const fields = collect(searchParams, (name) => listsOf(schema).has(name))
    for (const name of Object.keys(fields)) {
      // Better Auth collects the parameters in an object that has these already.
      if (name in Object.prototype) refuse(name, 'cannot be a parameter')
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
    const read = fieldsOf(text, contentType, (name) => listsOf(schema).has(name))
    const path = endpoint?.path ?? ''
    if (endpoint) keepKnown(read, path, schema)
    checkValue(read.fields)
    const { name } = read.fields
    if (typeof name === 'string' && name.trim() === '') refuse('name', 'is empty')
    canonicalEmails(read.fields)
    if (endpoint) await checkBody(read, path, endpoint)
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

/** Leaves out what the endpoint does not know, and refuses an attempt at a column. */
function keepKnown({ fields, isForm }: Body, path: string, schema: z.ZodType | undefined): void {
  const ours = Object.hasOwn(OWN, path) ? OWN[path] : undefined
  const known = schema && namesOf(ours && isOpen(schema) ? ours : schema)
  // The OAuth server's forms are read by the endpoint alone, and some have no schema to be seen.
  if (known === null || (known === undefined && isForm)) return
  for (const name of Object.keys(fields)) {
    if (known?.has(name) || name === 'oauth_query') continue
    if (path.startsWith('/update-') && COLUMNS.has(name)) {
      throw new AuthError('field_not_allowed', `${name} cannot be changed here.`)
    }
    delete fields[name]
  }
}

async function checkBody(
  { fields, isForm }: Body,
  path: string,
  endpoint: Endpoint,
): Promise<void> {
  await check(EVERYWHERE, fields, 'body')
  const own = Object.hasOwn(OWN, path) ? OWN[path] : undefined
  if (own) await check(own, fields, 'body')
  const { body: schema, metadata } = endpoint.options ?? {}
  // Endpoints for programs name the mistake by OAuth's own codes, and their forms hold texts only.
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

/** Zod's words hold no value of the field, but for the keys that it does not know. */
const said = (issue: Issue): string =>
  issue.code === 'unrecognized_keys' ? 'It has fields that are not known here.' : issue.message

/** An address was looked at before, and Better Auth's schemas know fewer of them. */
const isEmail = ({ path: [name, ...more] }: Issue, fields: Fields): boolean =>
  more.length === 0 && EMAILS.includes(String(name)) && isAddress(fields[String(name)])

const isAddress = (value: unknown): value is string =>
  typeof value === 'string' && value.includes('@')

/** What is missing a hook may still add, and the endpoint looks again. */
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

/** One person's address is written in one way, however it was typed. What is no address the endpoint refuses. */
function canonicalEmails(fields: Fields): void {
  for (const name of EMAILS) {
    const typed = fields[name]
    if (!isAddress(typed)) continue
    const email = accountEmail(typed)
    if (email === null) throw new AuthError('invalid_email', `${name} is not an e-mail address.`)
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
