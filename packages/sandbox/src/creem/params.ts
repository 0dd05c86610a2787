/**
 * The accepted parameters of Creem's API. Undocumented ones are refused, so that a client that relies on them
 * fails here and not at Creem.
 *
 * @module
 */

import { parseUrl } from '@repo/core'
import type { Context as HonoContext } from 'hono'
import { CreemApiError } from './objects.ts'

type Kind = 'flag' | 'text' | 'url' | 'whole' | 'object'

/** The members that a body may have; a `!` after the kind makes a member required. */
export type Form = Record<string, Kind | `${Kind}!`>

const FITS: Record<Kind, (value: unknown) => boolean> = {
  flag: (value) => typeof value === 'boolean',
  text: (value) => typeof value === 'string' && value !== '',
  url: (value) => typeof value === 'string' && parseUrl(value) !== null,
  whole: (value) => Number.isSafeInteger(value),
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
}

const NAMES: Record<Kind, string> = {
  flag: 'a boolean value',
  text: 'a string',
  url: 'a URL address',
  whole: 'an integer number',
  object: 'an object',
}

/** Reads a JSON body of this form. @throws `CreemApiError` 400. */
export async function readBody(c: HonoContext, form: Form): Promise<Record<string, unknown>> {
  const body: unknown = await c.req.json().catch(() => undefined)
  if (!FITS.object(body)) throw new CreemApiError(400, 'The body is not a JSON object')
  const given = body as Record<string, unknown>
  checkMembers(given, form)
  return given
}

/** @throws `CreemApiError` 400 for a member that is missing, unknown or of another kind. */
export function checkMembers(given: Record<string, unknown>, form: Form, path = ''): void {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(form, name)) {
      throw new CreemApiError(400, `property ${path}${name} should not exist`)
    }
  }
  for (const [name, kind] of Object.entries(form)) {
    const bare = kind.replace('!', '') as Kind
    const isMissing = given[name] === undefined
    if (isMissing && !kind.endsWith('!')) continue
    if (isMissing || !FITS[bare](given[name])) {
      throw new CreemApiError(400, `${path}${name} must be ${NAMES[bare]}`)
    }
  }
}

/** Reads the query, which may only have these names. @throws `CreemApiError` 400. */
export function readQuery(c: HonoContext, names: readonly string[]): Record<string, string> {
  const query = c.req.query()
  const unknown = Object.keys(query).find((name) => !names.includes(name))
  if (unknown !== undefined) throw new CreemApiError(400, `property ${unknown} should not exist`)
  return query
}

/** One page of a list, with Creem's page numbers. @throws `CreemApiError` 400. */
export function paged<T>(rows: readonly T[], query: Record<string, string>) {
  const [page, size] = [query.page_number ?? '1', query.page_size ?? '10'].map(Number)
  if (!page || !size || page < 1 || size < 1 || size > 100) {
    throw new CreemApiError(400, 'page_number and page_size must be positive integers')
  }
  const pages = Math.ceil(rows.length / size)
  return {
    items: rows.slice((page - 1) * size, page * size),
    pagination: {
      total_records: rows.length,
      total_pages: pages,
      current_page: page,
      next_page: page < pages ? page + 1 : null,
      prev_page: page > 1 ? page - 1 : null,
    },
  }
}
