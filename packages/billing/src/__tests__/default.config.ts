/** The configuration of a host that sells the default plans. */

import { defineConfig } from '@repo/core/config'
import { billing } from '../index.ts'

export default defineConfig({ billing })
