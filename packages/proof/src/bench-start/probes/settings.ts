/**
 * The settings of the processes that are measured.
 *
 * @module
 */

/** A signed-in browser at an instance of auth. */
export interface SessionSettings {
  /** The database's address. */
  url: string
  origin: string
  secret: string
  /** The browser's `Cookie` header. */
  cookie: string
  /** The user who is signed in. */
  userId: string
  /** Whether the handler's endpoint answers, in place of the guard. */
  isHandler: boolean
}

/** A delivery by Stripe. */
export interface WebhookSettings {
  /** The database's address. */
  url: string
  secret: string
  /** The signed body. */
  payload: string
  signature: string
}
