-- A payment may pay several invoices; its order and its refunds named only the first of them.
ALTER TABLE "Order" ADD COLUMN "invoiceIds" TEXT[] DEFAULT ARRAY[]::TEXT[];
ALTER TABLE "Refund" ADD COLUMN "invoiceIds" TEXT[] DEFAULT ARRAY[]::TEXT[];
