/**
 * The shape of the tokens in mails.
 *
 * @module
 */

/**
 * Whether a text can be a token of a mail: letters, digits, `-` and `_`, 256 at the most. A link may have been changed
 * into anything, and the database refuses to look for a null byte.
 */
export const isTokenShaped = (text: string): boolean => /^[\w-]{1,256}$/.test(text)
