/**
 * The plugins of Better Auth that cannot be added, each with the reason. They would do again what auth does
 * already, or break one of its promises.
 *
 * @module
 */

const OWN = 'auth has it already'
const TOKENS = 'it makes the bare token of a session a credential, and gives it to scripts'
const MAILBOX =
  'it proves an address without dropping what strangers chose at a sign-up with it before'

/** The reason, by the plugin's id, and what to use instead. */
export const REFUSED_PLUGINS: Readonly<Record<string, string>> = {
  admin:
    'its endpoints give roles, passwords and other people’s sessions to whoever has the role. Write to User.role in your own code, guarded by requireRole',
  anonymous: 'it makes users without an address, and nobody could prove whose they are',
  bearer: `${TOKENS}. Programs send the access token: see "Programs" in the README`,
  'custom-session': 'it replaces /get-session. Use user.fields',
  'email-otp': `${MAILBOX}. Use /sign-in/magic-link`,
  'generic-oauth': `${OWN}. Use the option oidc`,
  'have-i-been-pwned': `${OWN}. Use the option breachedPasswords`,
  jwt: OWN,
  'magic-link': OWN,
  'multi-session':
    'a new sign-in ends the session before it in the same browser, so there is never a second one',
  'oauth-popup': TOKENS,
  'oauth-provider': `${OWN}. Use the option oauth`,
  'oauth-proxy':
    'it lets another host finish a sign-in, and return addresses lead to this host only',
  'oidc-provider': `${OWN}. Use the option oauth`,
  mcp: `${OWN}. Use the option oauth`,
  'one-tap': 'it signs in with an id token that a script brings, without our state and nonce',
  'one-time-token': TOKENS,
  organization: OWN,
  passkey: OWN,
  'phone-number': `${MAILBOX.replace('an address', 'a telephone number')}, and signs up users without an address`,
  siwe: 'it makes users with an address that nobody has proven',
  'test-utils': 'it signs anybody in. Use createTestAuth of @repo/auth/testing',
  'two-factor': `${OWN}. Use the option twoFactor`,
}
