/**
 * For development: PostgreSQL, and stand-ins for Stripe, Cal.com, sign-in providers and the mailbox, then the worker and
 * `next dev`, with one log. `--services` leaves worker and app out; `--help` shows the rest.
 */

import { runLocal } from '@repo/sandbox/dev'

// Options of the stand-ins go into a second argument: { sandbox: { oauth: { people: […] } } }.
process.exit(await runLocal(process.argv.slice(2)))
