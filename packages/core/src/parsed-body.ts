/**
 * Marks requests whose body an adapter parsed and serialized again. A handler that verifies a signature over
 * the raw bytes can then name the body parser as the reason that the signature does not match.
 *
 * @module
 */

// A registered symbol, because a copied package and a workspace package can meet in one process.
const PARSED = Symbol.for('tollgate.parsedBody')

/** Marks a request whose body differs from the bytes that were sent. */
export function markParsed(req: Request): void {
  Object.defineProperty(req, PARSED, { value: true })
}

/** Whether an adapter rebuilt the request's body from a parsed value. */
export const wasParsed = (req: Request): boolean => PARSED in req
