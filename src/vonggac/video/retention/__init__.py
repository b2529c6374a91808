"""What is deleted, when and how: the order, the one path of deletion, what the disks hold and for how long."""
