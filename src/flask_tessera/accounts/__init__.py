"""Who a person is: passwords, phone numbers, and how often one may guess."""
