/**
 * The default periods of changes that can be taken back.
 *
 * @module
 */

/** For how many days the owner of the old address can undo a change. */
export const UNDO_DAYS = 7

/** How many days pass from the request to the deletion. */
export const GRACE_DAYS = 30
