/**
 * A host's own fields of a user in Better Auth: checked at each change, with a value for every new user, and
 * taken from the profile of a provider where the field says so.
 *
 * Promise: a value that somebody sent is stored only after it fitted the schema of its field.
 *
 * @module
 */

import { defineRequestState, hasRequestState } from '@better-auth/core/context'
import type { Logger } from '@repo/core'
import type { BetterAuthPlugin, GenericEndpointContext } from 'better-auth'
import { APIError, updateUser } from 'better-auth/api'
import type { Endpoint } from '../http/endpoint.ts'
import { acceptedLocale } from './locales.ts'
import type { FieldProblem, OwnFields, ProviderProfile, Row } from './user-fields.ts'

/** What this request has noted: the values of its sign-up, or those of a provider's profile. */
const noted = defineRequestState<{ signUp?: Row; profile?: Row }>(() => ({}))

/** The values of the sign-up that this request has checked; undefined if it has checked none. */
export const signUpValues = async (): Promise<Row | undefined> => (await noted.get()).signUp

/** The values from the provider's profile of this request; undefined without one. */
export const profileValues = async (): Promise<Row | undefined> =>
  (await hasRequestState()) ? (await noted.get()).profile : undefined

const refusal = ({ code, message }: FieldProblem) => new APIError('BAD_REQUEST', { code, message })

/** The values of a sign-up's body. @throws `invalid_request`, `field_not_allowed` (400) */
export async function checkSignUp(
  own: OwnFields,
  body: Row,
  headers: Headers | undefined,
): Promise<Row> {
  const checked = own.ofSignUp(body)
  if ('problem' in checked) throw refusal(checked.problem)
  const { values } = checked
  values.locale ??= acceptedLocale(headers?.get('accept-language'), own.locales)
  Object.assign(await noted.get(), { signUp: values })
  return values
}

/** Notes the values of a provider's profile. A value that does not fit is left out and logged by its name. */
export async function noteProfile(
  own: OwnFields,
  profile: ProviderProfile,
  logger: Pick<Logger, 'warn'>,
): Promise<void> {
  const values: Row = {}
  for (const [name, { fromProfile }] of own.all) {
    const take = fromProfile ?? (name === 'locale' ? localeOf : null)
    if (!take) continue
    try {
      const taken = take(profile)
      const value = own.fitting(name, taken)
      if (value !== undefined) values[name] = value
      else if (taken !== undefined && taken !== null && fromProfile) {
        logger.warn(
          { field: name, provider: profile.provider },
          'a value of a profile does not fit its field',
        )
      }
    } catch (error) {
      logger.warn(
        { field: name, provider: profile.provider, error },
        'fromProfile of a field failed',
      )
    }
  }
  if (await hasRequestState()) Object.assign(await noted.get(), { profile: values })
}

const localeOf = ({ claims }: ProviderProfile): unknown => claims.locale

/** The values of a user who comes without a sign-up of their own: a profile's, else none. */
export async function valuesWithoutSignUp(
  own: OwnFields,
  headers: Headers | undefined,
): Promise<Row> {
  const locale = acceptedLocale(headers?.get('accept-language'), own.locales)
  return { ...own.blank(), locale, ...(await profileValues()) }
}

/** Better Auth's types know the locale; those of the host's own fields come from their schemas. */
interface Declared {
  locale: { type: 'string'; required: false }
}

/** Better Auth's declaration of the fields. The checks are ours, so that each value is checked once. */
export const additionalFields = (own: OwnFields): Declared =>
  Object.fromEntries(
    [...own.all].map(([name, { column, input, returned, fallback }]) => [
      name,
      {
        type: column.type,
        required: false,
        input,
        returned,
        ...(fallback === undefined || fallback === null ? {} : { defaultValue: fallback }),
      },
    ]),
  ) as unknown as Declared

/** The plugin. */
export function userFields(own: OwnFields): BetterAuthPlugin {
  /** Completes a new user: every field has a value that fits it. */
  async function complete(user: Row, ctx: GenericEndpointContext | null): Promise<{ data: Row }> {
    const headers = ctx?.request?.headers ?? ctx?.headers
    const values = await valuesWithoutSignUp(own, headers)
    // A provider's answer may hold members with the names of fields.
    if (ctx?.path === '/callback/:id') return { data: values }
    const given = [...own.all.keys()].map((name) => [name, own.fitting(name, user[name])])
    const known = Object.fromEntries(given.filter(([, value]) => value !== undefined))
    return { data: { ...values, ...((await ownSignUp(ctx)) ?? known) } }
  }

  return {
    id: 'tollgate-user-fields',
    init: () => ({ options: { databaseHooks: { user: { create: { before: complete } } } } }),
    endpoints: { updateUser: checkedUpdate(own, updateUser()) },
  }
}

/** The checked values of the sign-up by password that makes this user. */
const ownSignUp = async (ctx: GenericEndpointContext | null): Promise<Row | undefined> =>
  ctx?.path === '/sign-up/email' ? signUpValues() : undefined

/** Better Auth's `/update-user` with the fields checked first. */
function checkedUpdate<E extends Endpoint>(own: OwnFields, endpoint: E): E {
  const wrapped = async (ctx: { body?: unknown }) => {
    const { body } = ctx
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return endpoint(ctx)
    const checked = own.ofUpdate(body as Row)
    if ('problem' in checked) throw refusal(checked.problem)
    return endpoint({ ...ctx, body: { ...body, ...checked.values } })
  }
  return Object.assign(wrapped, endpoint) as unknown as E
}
