/**
 * A mark on requests whose body was parsed and written anew by an adapter. A handler that verifies a
 * signature over the raw bytes can then name the body parser as the reason that the signature does not fit.
 *
 * @module
 */

// Registered, because a copied package and a workspace package can meet in one process.
const PARSED = Symbol.for('tollgate.parsedBody')

/** Marks a request whose body differs from the bytes that were sent. */
export function markParsed(req: Request): void {
  Object.defineProperty(req, PARSED, { value: true })
}

/** Whether an adapter wrote the request's body anew from a parsed value. */
export const wasParsed = (req: Request): boolean => PARSED in req
