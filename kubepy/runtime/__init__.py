"""What every daemon is made of: informers, queues, controllers, leader election, events, serving. Knows no kind."""
