"""OPC UA: browse paths resolved anew in each session, subscribed, watched; never written to."""
