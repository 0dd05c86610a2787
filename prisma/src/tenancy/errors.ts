import { TollgateError } from '@repo/core'

/** Every code of a {@link TenancyError}. */
export type TenancyErrorCode =
  | 'foreign_organization'
  | 'organization_required'
  | 'outside_organization'
  | 'unscoped_query'

const STATUS: Record<TenancyErrorCode, number> = {
  foreign_organization: 403,
  organization_required: 400,
  outside_organization: 403,
  unscoped_query: 403,
}

/** A query could reach rows of another organization. Branch on `code`; the message names the model. */
export class TenancyError extends TollgateError<TenancyErrorCode> {
  override readonly name = 'TenancyError'

  constructor(code: TenancyErrorCode, message: string) {
    super(code, STATUS[code], message)
  }
}
