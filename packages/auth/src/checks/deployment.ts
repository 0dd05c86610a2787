/**
 * Checks of auth that matter in production: the host's address, and the limits of sign-ins.
 *
 * @module
 */

import { isIP } from 'node:net'
import { type Check, type CheckRun, failed, onlyLive, passed } from '@repo/core/checks'
import type { Checked } from './checked.ts'

/** The checks. */
export const deploymentChecks = (run: CheckRun, { options, baseURL }: Checked): Check[] => [
  {
    id: 'auth.url',
    run() {
      const { protocol, hostname } = new URL(baseURL)
      const isLocal =
        hostname === 'localhost' ||
        hostname.endsWith('.localhost') ||
        isIP(hostname.replace(/^\[|\]$/g, '')) > 0
      if (protocol === 'https:' && !isLocal) return passed(`The host is at ${baseURL}.`)
      const says = `The host is at ${baseURL}, which is ${isLocal ? 'not a public name' : 'without TLS'}.`
      const advice = 'Set APP_URL to the https:// origin at which people reach the app.'
      return isLocal ? onlyLive(run, says, advice) : failed(says, advice)
    },
  },
  {
    id: 'auth.limits',
    run() {
      if (options.rateLimit === false)
        return failed(
          'Sign-ins are not limited: rateLimit is false.',
          'Remove the option rateLimit.',
        )
      const where = options.redisUrl ? 'Redis' : 'PostgreSQL'
      if (options.ipAddressHeaders?.length || options.trustedProxies?.length)
        return passed(`Sign-ins are limited in ${where}, by the address that your proxy names.`)
      return onlyLive(
        run,
        `Sign-ins are limited in ${where}, by an x-forwarded-for that a caller can invent.`,
        'Set CLIENT_IP_HEADER or TRUSTED_PROXIES (.env.example says which for your platform).',
      )
    },
  },
]
