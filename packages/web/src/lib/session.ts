import { createNext } from '@repo/auth/next'
import { auth } from './tollgate'

export const { getSession, getUser, requireAuth, formAction, post, handlers } = createNext(auth)
