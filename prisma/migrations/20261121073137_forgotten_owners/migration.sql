-- What is left of an owner who was deleted has no name, and says since when.

-- AlterTable
ALTER TABLE "Customer" ADD COLUMN     "forgottenAt" TIMESTAMPTZ(3),
ADD COLUMN     "formerStripeIds" TEXT[] DEFAULT ARRAY[]::TEXT[];
