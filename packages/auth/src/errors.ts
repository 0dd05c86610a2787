import { type ErrorOptionsWithHeaders, TollgateError } from '@repo/core/edge'

/** Every way the guards and forms refuse. Better Auth's endpoints have codes of their own. */
export type AuthErrorCode =
  | 'conflict'
  | 'access_expired'
  | 'insufficient_role'
  | 'insufficient_scope'
  | 'invalid_body'
  | 'invalid_form'
  | 'invalid_options'
  | 'method_not_allowed'
  | 'mfa_required'
  | 'not_authenticated'
  | 'payload_too_large'
  | 'unknown_session'
  | 'untrusted_origin'

const STATUS: Record<AuthErrorCode, number> = {
  conflict: 409,
  access_expired: 401,
  insufficient_role: 403,
  insufficient_scope: 403,
  invalid_body: 400,
  invalid_form: 400,
  invalid_options: 500,
  method_not_allowed: 405,
  mfa_required: 403,
  not_authenticated: 401,
  payload_too_large: 413,
  unknown_session: 404,
  untrusted_origin: 403,
}

/** A refusal by auth. Branch on `code`. */
export class AuthError extends TollgateError<AuthErrorCode> {
  override readonly name = 'AuthError'

  constructor(code: AuthErrorCode, message: string, options: ErrorOptionsWithHeaders = {}) {
    super(code, STATUS[code], message, options)
  }
}
