/**
 * Better Auth with the plugins that do what `@repo/auth` does.
 *
 * @module
 */

import type { Database } from '@repo/db'

/** Imports Better Auth and its plugins. Returns a function that makes an instance. */
export async function createPeer() {
  const { betterAuth } = await import('better-auth')
  const { prismaAdapter } = await import('better-auth/adapters/prisma')
  const { jwt } = await import('better-auth/plugins/jwt')
  const { organization } = await import('better-auth/plugins/organization')
  const { twoFactor } = await import('better-auth/plugins/two-factor')
  const { magicLink } = await import('better-auth/plugins/magic-link')
  await import('better-auth/plugins/generic-oauth')
  const { passkey } = await import('@better-auth/passkey')
  await import('@better-auth/oauth-provider')
  return (db: Database, { origin, secret }: { origin: string; secret: string }) =>
    betterAuth({
      baseURL: origin,
      secret,
      telemetry: { enabled: false },
      database: prismaAdapter(db, { provider: 'postgresql', transaction: false }),
      verification: { modelName: 'verificationToken' },
      emailAndPassword: { enabled: true },
      plugins: [
        // The keys in this database are sealed with a key of ours, and a session needs none.
        jwt({ disableSettingJwtHeader: true }),
        organization(),
        twoFactor(),
        magicLink({ sendMagicLink: async () => {} }),
        passkey(),
      ],
    })
}
