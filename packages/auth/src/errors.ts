/**
 * The errors of the guards and forms.
 *
 * @module
 */

import { type ErrorOptionsWithHeaders, TollgateError } from '@repo/core/edge'

/** Every code with which the guards and forms refuse. Better Auth's endpoints have more: see `ERRORS.md`. */
export type AuthErrorCode =
  | 'aal2_required'
  | 'access_expired'
  | 'body_too_large'
  | 'conflict'
  | 'field_not_allowed'
  | 'insufficient_permission'
  | 'insufficient_role'
  | 'insufficient_scope'
  | 'invalid_email'
  | 'invalid_form'
  | 'invalid_integration'
  | 'invalid_options'
  | 'invalid_request'
  | 'method_not_allowed'
  | 'mfa_required'
  | 'not_authenticated'
  | 'organization_required'
  | 'raw_body_required'
  | 'recent_sign_in_required'
  | 'organizations_need_owner'
  | 'too_busy'
  | 'unknown_session'
  | 'unsupported_media_type'
  | 'untrusted_origin'

/**
 * The HTTP status of each code; every other code is 400. The table is short because the edge entry includes
 * it.
 */
export const STATUS: { [Code in AuthErrorCode]?: number } = {
  aal2_required: 403,
  access_expired: 401,
  body_too_large: 413,
  conflict: 409,
  insufficient_permission: 403,
  insufficient_role: 403,
  insufficient_scope: 403,
  invalid_options: 500,
  method_not_allowed: 405,
  mfa_required: 403,
  not_authenticated: 401,
  raw_body_required: 500,
  recent_sign_in_required: 403,
  organizations_need_owner: 409,
  too_busy: 503,
  unknown_session: 404,
  unsupported_media_type: 415,
  untrusted_origin: 403,
}

/** A refusal by auth. Switch on `code`. */
export class AuthError extends TollgateError<AuthErrorCode> {
  override readonly name = 'AuthError'

  constructor(code: AuthErrorCode, message: string, options: ErrorOptionsWithHeaders = {}) {
    super(code, STATUS[code] ?? 400, message, options)
  }
}
