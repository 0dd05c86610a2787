/**
 * Commands about the webhook endpoint at Stripe.
 *
 * @module
 */

import { databaseEnv } from '@repo/db'
import { appEnv } from '../create-context.ts'
import { paymentEnv, stripeEnv } from '../providers/env.ts'
import type { EndpointDifference, WebhookEndpoint } from '../webhooks/endpoints.ts'
import { type Command, say } from './command.ts'

export const webhookCommands: Record<string, Command> = {
  'webhooks create': {
    takes: '<url>',
    does: 'make the endpoint at Stripe that sends to this address, and print its signing secret',
    needs: [stripeEnv],
    async run([url = ''], { json }, billing) {
      const created = await billing.createWebhookEndpoint(url)
      if (created.isNew) {
        say(`made ${line(created.endpoint)}`)
        say('Put its signing secret into STRIPE_WEBHOOK_SECRET. It is shown this once.')
        // The one secret that is ever printed: nobody could get it otherwise.
        if (!json) process.stdout.write(`${created.secret}\n`)
        return created
      }
      say(`There is one already: ${line(created.endpoint)}`)
      if (created.difference) {
        for (const what of inWords(created.endpoint, created.difference)) say(what)
        say('It was left as it is: change it at Stripe, or delete it there and come again.')
        process.exitCode = 1
      } else say('It is as it should be. Its signing secret is at Stripe, Developers → Webhooks.')
      return created
    },
  },

  'webhooks diagnose': {
    takes: '[<url>]',
    does: 'walk through what keeps webhooks from coming: address, https, secret, limits, deliveries',
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
    does: "the account's webhook endpoints",
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
    words.push(`Its version is ${is} and should be ${apiVersion}; that cannot be changed.`)
  }
  return words
}
