/**
 * How long a sign-in counts as proof of the user.
 *
 * @module
 */

/** How long a sign-in counts as recent. */
export const RECENT_SECONDS = 15 * 60

/** Whether the session's sign-in is recent. */
export const isRecent = ({ createdAt }: { createdAt: Date }): boolean =>
  Date.now() - createdAt.getTime() < RECENT_SECONDS * 1000
