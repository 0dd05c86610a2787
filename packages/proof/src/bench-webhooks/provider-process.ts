/** Runs the stand-in of Stripe in a process of its own, with `customers` copies of a life. */

import { readFileSync } from 'node:fs'
import { createSandbox, type StripeSnapshot } from '@repo/sandbox'
import { serve, settingsOf } from '../harness/child.ts'
import { silent } from '../harness/silent.ts'
import { copySnapshot } from './copies.ts'
import { SECRET_KEY } from './life.ts'

/** The settings of the process. */
export interface ProviderSettings {
  /** The file with one customer's life. */
  snapshot: string
  customers: number
}

const { snapshot, customers } = settingsOf<ProviderSettings>()
const sandbox = createSandbox({ stripe: { secretKey: SECRET_KEY }, logger: silent })
const life = JSON.parse(readFileSync(snapshot, 'utf8')) as StripeSnapshot
sandbox.stripe.restore(copySnapshot(life, customers))
const { stripeUrl } = await sandbox.listen()
serve({ stripeUrl }, () => sandbox.stop())
