/**
 * Commands about webhook endpoints.
 *
 * @module
 */

import { databaseEnv } from '@repo/db'
import { appEnv } from '../create-context.ts'
import { paymentEnv, stripeEnv } from '../providers/env.ts'
import type { EndpointDifference, WebhookEndpoint } from '../webhooks/endpoints.ts'
import { type Command, say } from './command.ts'

/** The commands `webhooks …`. */
export const webhookCommands: Record<string, Command> = {
  'webhooks create': {
    takes: '<url>',
    does: 'create the endpoint at Stripe that sends to this URL, and print its signing secret',
    needs: [stripeEnv],
    async run([url = ''], { json }, billing) {
      const created = await billing.createWebhookEndpoint(url)
      if (created.isNew) {
        say(`Created ${line(created.endpoint)}`)
        say('Put the signing secret into STRIPE_WEBHOOK_SECRET. It is shown only once.')
        // No other secret is ever printed. The caller has no other way to get this one.
        if (!json) process.stdout.write(`${created.secret}\n`)
        return created
      }
      say(`The endpoint exists already: ${line(created.endpoint)}`)
      if (created.difference) {
        for (const what of inWords(created.endpoint, created.difference)) say(what)
        say('Nothing was changed. Change the endpoint at Stripe, or delete it there and try again.')
        process.exitCode = 1
      } else say('It is set up correctly. Its signing secret is at Stripe, Developers → Webhooks.')
      return created
    },
  },

  'webhooks diagnose': {
    takes: '[<url>]',
    does: 'check what may keep webhooks from arriving: address, https, secret, limits, deliveries',
    needs: [databaseEnv, appEnv, paymentEnv],
    async run([url], _, billing) {
      const diagnosis = await billing.diagnoseWebhooks(url)
      say(`${diagnosis.provider} → ${diagnosis.url}`)
      for (const { check, isOk, says } of diagnosis.checks) {
        say(`${isOk ? 'ok   ' : 'WRONG'}  ${check.padEnd(10)}  ${says}`)
      }
      if (!diagnosis.isOk) process.exitCode = 1
      return diagnosis
    },
  },

  'webhooks list': {
    does: "list the account's webhook endpoints",
    needs: [stripeEnv],
    async run(_, __, billing) {
      const endpoints = await billing.listWebhookEndpoints()
      for (const endpoint of endpoints) say(line(endpoint))
      if (endpoints.length === 0) say('There are none.')
      return { endpoints }
    },
  },
}

const line = ({ id, url, status, apiVersion, enabledEvents }: WebhookEndpoint): string => {
  const events = enabledEvents.includes('*') ? 'all events' : `${enabledEvents.length} events`
  return [id, url, status, apiVersion ?? "the account's version", events].join('  ')
}

function inWords(
  endpoint: WebhookEndpoint,
  { missingEvents, surplusEvents, apiVersion, isDisabled }: EndpointDifference,
): string[] {
  const words: string[] = []
  if (isDisabled) words.push('It is disabled.')
  if (missingEvents.length > 0) words.push(`It does not send ${missingEvents.join(', ')}.`)
  if (surplusEvents.length > 0) words.push(`It also sends ${surplusEvents.join(', ')}.`)
  if (apiVersion) {
    const is = endpoint.apiVersion ?? "the account's"
    words.push(`Its API version is ${is} and should be ${apiVersion}; Stripe cannot change it.`)
  }
  return words
}
